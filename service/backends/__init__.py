"""Where things are really kept, and who really works: one room for each way."""

__all__: list[str] = []
