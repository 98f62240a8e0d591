"""A package that the app forgets."""
