"""What the `film` command does: one module for each of its subcommands."""

__all__: list[str] = []
