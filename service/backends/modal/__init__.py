"""Everything kept and done on Modal: jobs in a Dict, files on a Volume, work in containers."""

__all__: list[str] = []
