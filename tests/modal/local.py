"""The app on this machine: `make modal-local`, which is `python -m tests.modal.local`.

A control plane is started, the secret written, and `modal_app.py` deployed as it is, with the bundled
weights. Settings (FILM_...) of the environment go into the secret.
"""

import os
import secrets
import signal
import sys
import tempfile
import threading
from pathlib import Path

from service.accounts import mint_key
from tests.modal_plane.fixture import ROOT, Plane, PlaneFailed

__all__ = ["main"]

# What is read where the app is deployed from, not in its containers.
_DEPLOYING = {"FILM_MODEL", "FILM_GPU_CONTAINERS", "FILM_DATA_DIR", "FILM_WEIGHTS_DIR"}


def main() -> int:
    """Serve until Ctrl-C."""
    key = mint_key()
    settings = {
        "FILM_SECRET": secrets.token_hex(32),
        "FILM_TEAM_KEYS": f"me:{key}",
        "FILM_ALLOW_PRIVATE_URLS": "true",
    }
    settings |= {name: value for name, value in os.environ.items() if name.startswith("FILM_")}
    pairs = [f"{name}={value}" for name, value in settings.items() if name not in _DEPLOYING]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with tempfile.TemporaryDirectory(prefix="film-modal-") as state, Plane(Path(state)) as plane:
            plane.modal("secret", "create", "film", *pairs)
            plane.deploy(ROOT / "modal_app.py", {"FILM_MODEL": "compact", "FILM_GPU_CONTAINERS": "1"})
            _tell(plane, key)
            stop.wait()
    except PlaneFailed as error:
        if not stop.is_set():  # or Ctrl-C ended the command that failed
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def _tell(plane: Plane, key: str) -> None:
    """Say how it is reached."""
    url = plane.functions()["web"].web_url
    print(f"FILM is at {url} (its page: {url}/, its documentation: {url}/docs)")
    print(f"key: {key}")
    print("The first request takes longer: containers start, and load TensorFlow. Try, for example:")
    print(f"  curl -H 'x-api-key: {key}' {url}/v1/get-user-credits")
    print(f"`modal` reaches it with MODAL_SERVER_URL={plane.url} MODAL_TOKEN_ID=ak-local MODAL_TOKEN_SECRET=as-local")
    print("End it with Ctrl-C; nothing is kept.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
