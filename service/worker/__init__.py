"""Runs one job from end to end. The only room of the service that knows `film`."""

__all__: list[str] = []
