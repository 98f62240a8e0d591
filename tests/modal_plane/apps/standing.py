"""An app that keeps containers ready."""

import time

import modal

app = modal.App("standing", image=modal.Image.debian_slim(python_version="3.11"))


@app.function(min_containers=1, buffer_containers=1, scaledown_window=2)
def ready(seconds: float) -> None:
    time.sleep(seconds)
