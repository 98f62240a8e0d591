"""Tests of `film.weights` and of the `film weights` command."""
