"""Weights: which there are, where they are, and how they get here.

    find(name)            a loaded weight set: by name, by a file's path, or the default
    entries()             every set that can be named, installed or not
    fetch(name)           download a published one
    import_saved_model()  convert one that was downloaded by other means
    load(), save()        the file format

TensorFlow is loaded only while a SavedModel is read.
"""

from film.weights.cache import cache_directory
from film.weights.catalogue import CatalogueEntry, entries, find, locate
from film.weights.fetching import fetch
from film.weights.files import load, save
from film.weights.savedmodel import import_saved_model, read_saved_model
from film.weights.sources import Archive, Folder, Source
from film.weights.weightset import WeightSet

__all__ = [
    "Archive",
    "CatalogueEntry",
    "Folder",
    "Source",
    "WeightSet",
    "cache_directory",
    "entries",
    "fetch",
    "find",
    "import_saved_model",
    "load",
    "locate",
    "read_saved_model",
    "save",
]
