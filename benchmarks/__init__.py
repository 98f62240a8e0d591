"""Commands that show and measure what the library does."""

__all__: list[str] = []
