"""Training's tests."""
