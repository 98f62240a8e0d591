"""The network's tests, with an implementation in plain numpy to compare with."""
