"""Loading TensorFlow without its remarks."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from film.errors import FilmError

__all__ = ["quiet"]

_STDERR = 2


@contextmanager
def quiet() -> Iterator[None]:
    """Keep standard error clean of what TensorFlow's libraries print while they are imported.

    They tell at every start what the processor can do, whatever log level is asked for; beside
    our one line of an error that looks like part of it. Where loading fails for a reason that isn't
    ours to explain, all of it is shown.
    """
    sys.stderr.flush()
    real = os.dup(_STDERR)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), _STDERR)
        try:
            yield
        except FilmError:
            raise
        except Exception:
            said.seek(0)
            os.write(real, said.read())
            raise
        finally:
            os.dup2(real, _STDERR)
            os.close(real)
