"""HTTP: FastAPI routes, the error table, the page."""

__all__: list[str] = []
