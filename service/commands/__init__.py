"""The subcommands of `film-service`: what each takes and prints. Nothing is decided here."""

__all__: list[str] = []
