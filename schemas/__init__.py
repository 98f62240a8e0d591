"""The wire: pydantic models of what crosses HTTP."""

__all__: list[str] = []
