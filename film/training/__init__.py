"""Training of the compact network: what to learn from, how, and the loop."""

__all__: list[str] = []
