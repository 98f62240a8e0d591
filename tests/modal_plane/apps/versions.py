"""An app that says which version of it runs."""

import os
import time

import modal

app = modal.App("versions", image=modal.Image.debian_slim(python_version="3.11"))
seen = modal.Dict.from_name("seen", create_if_missing=True)
VERSION: dict[str, str | None] = {"VERSION": os.environ.get("VERSION", "1")}


@app.function(env=VERSION, max_containers=1)
def version(seconds: float = 0.0, only_in: str = "", until: str = "") -> str:
    """Take some seconds in one version, or less once a key is seen; none in others."""
    deadline = time.monotonic() + seconds
    while only_in in ("", os.environ["VERSION"]) and time.monotonic() < deadline and not (until and until in seen):
        time.sleep(0.05)
    return os.environ["VERSION"]


if VERSION["VERSION"] == "1":

    @app.function()
    def only_in_the_first() -> None:
        pass
