"""An app that says which version of it runs."""

import os
import time

import modal

app = modal.App("versions", image=modal.Image.debian_slim(python_version="3.11"))
VERSION = {"VERSION": os.environ.get("VERSION", "1")}


@app.function(env=VERSION, max_containers=1)
def version(seconds: float = 0.0, only_in: str = "") -> str:
    print("running", os.environ["VERSION"])
    if only_in in ("", os.environ["VERSION"]):
        time.sleep(seconds)
    return os.environ["VERSION"]


if VERSION["VERSION"] == "1":

    @app.function()
    def only_in_the_first() -> None:
        pass
