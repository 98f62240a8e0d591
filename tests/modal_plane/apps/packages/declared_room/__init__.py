"""A package that the app declares."""

GREETING = "hello from what was declared"
