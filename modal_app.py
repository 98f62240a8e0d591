"""FILM on Modal: `modal deploy modal_app.py`.

A web endpoint takes jobs; `run_job` fetches a source, cuts it into pieces, joins them and adds the
sound; `Interpolator` makes the pieces, each in whichever GPU container is free; `sweep` sees to time
and accidents. What a job is and what becomes of it is decided in `service`; this file only says what
runs where. README.md, "Deploy", explains the secret and the figures below.

    modal run modal_app.py --source clip.mp4 --target smooth.mp4 --multiplier 4 --fps 60
"""

import os
import sys
from pathlib import Path
from typing import Any

import modal

MINUTES = 60  # seconds
HOURS = 60 * MINUTES
GiB = 1024  # MiB, in which Modal counts memory

# What a request gets that names no model: published weights, fetched while the image is built, or the
# bundled "compact". Read where the app is deployed from; containers have it from their image.
MODEL = os.environ.get("FILM_MODEL", "style")
MODELS = ("compact",) if MODEL == "compact" else ("compact", MODEL)

# In order of preference: both hold the network and a 1080p frame whole, and cost about the same a frame.
GPUS = ["L40S", "A10G"]
GPU_NETWORK_BYTES = 16 * 1024**3  # of the 48 GB and 24 GB that these have
GPU_CONTAINERS = int(os.environ.get("FILM_GPU_CONTAINERS", "10"))  # as many pieces are made at once, of all clips
GPU_CPU = 4.0  # decoding and encoding keep a few busy while the network works
GPU_MEMORY = 8 * GiB
GPU_IDLE = 2 * MINUTES  # a container that has loaded its network waits for the next piece a while
PIECE_TIMEOUT = 30 * MINUTES  # a piece of FILM_PIECE_MEGAPIXELS takes a few
PIECE_RETRIES = modal.Retries(max_retries=2, initial_delay=1.0, backoff_coefficient=2.0)

JOB_CONTAINERS = 20  # clips that are under way at once; most of the time they wait for pieces
JOB_CPU = 1.0
JOB_MEMORY = 2 * GiB  # fetching, probing and joining hold a few buffers, however long the clip is
JOB_TIMEOUT = 7 * HOURS  # more than FILM_JOB_SECONDS, which ends a job in good order
JOB_RETRIES = modal.Retries(max_retries=3, initial_delay=1.0, backoff_coefficient=1.0)

WEB_CONTAINERS = 10
WEB_AT_ONCE = 100  # requests that one container answers at a time; they mostly wait for the Dict
WEB_MEMORY = 1 * GiB  # two large uploads at once take a few hundred MiB
WEB_IDLE = 5 * MINUTES
# Modal cuts a request at 150 s with a redirect, which clients take for an answer; a blocking call answers before.
WEB_SYNC_SECONDS = 140

# Late webhooks and jobs whose worker died wait for it. It reads the whole Dict, so not much more often.
SWEEP_PERIOD = modal.Period(minutes=1)
SWEEP_TIMEOUT = 5 * MINUTES

MOUNT = "/artifacts"
PYTHON = "3.11"
NOT_SOURCE = ["**/*.pyc", "**/__pycache__/**"]  # pages, weights and py.typed go up with the code

# What `pyproject.toml` asks for, as `requirements.lock` has it.
SERVICE_PACKAGES = (
    "certifi==2026.10.18",
    "fastapi==0.165.0",
    "httpcore==1.0.9",
    "httpx==0.28.1",
    "limits==5.8.0",
    "prometheus-client==0.26.0",
    "psycopg==3.3.9",
    "psycopg-binary==3.3.9",
    "pydantic==2.14.4",
    "pydantic-settings==2.16.3",
    "sqlalchemy==2.1.9",
    "standardwebhooks==1.1.0",
)
FILM_PACKAGES = (
    "ffmpeg-python==0.2.0",
    "imageio-ffmpeg==0.8.1",
    "numpy==2.4.6",
    "rich==15.0.0",
    "safetensors==0.8.0",
    "scikit-image==0.26.0",
)
NETWORK_PACKAGES = (
    "keras==3.15.1",
    "opencv-python-headless==5.0.0.93",
    "tensorflow[and-cuda]==2.21.0",
)

ENVIRONMENT = {
    "FILM_DATA_DIR": MOUNT,
    "FILM_MODEL": MODEL,
    "FILM_SYNC_SECONDS": str(WEB_SYNC_SECONDS),
    "FILM_WEIGHTS_DIR": "/weights",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}

base_image = modal.Image.debian_slim(python_version=PYTHON).pip_install(*SERVICE_PACKAGES).env(ENVIRONMENT)

# The web knows neither TensorFlow nor FILM, so it starts in a second.
web_image = base_image.add_local_python_source("schemas", "service", ignore=NOT_SOURCE)

# Jobs are cut and joined with FILM's eyes for video, without its network.
job_image = (
    base_image.apt_install("ffmpeg")
    .pip_install(*FILM_PACKAGES)
    .add_local_python_source("film", "schemas", "service", ignore=NOT_SOURCE)
)

# Pieces are made with everything, the weights in the image: a container that starts fetches nothing.
network_image = base_image.apt_install("ffmpeg").pip_install(*FILM_PACKAGES, *NETWORK_PACKAGES)
if MODEL != "compact":
    network_image = network_image.add_local_python_source("film", copy=True, ignore=NOT_SOURCE).run_commands(
        f"cd /root && python -m film weights fetch {MODEL}"
    )
network_image = network_image.add_local_python_source("film", "schemas", "service", ignore=NOT_SOURCE)

app = modal.App("film")
settings = modal.Secret.from_name("film")
jobs = modal.Dict.from_name("film-jobs", create_if_missing=True)
progress = modal.Dict.from_name("film-progress", create_if_missing=True)
artifacts = modal.Volume.from_name("film-artifacts", create_if_missing=True, version=2)
everywhere: dict[str, Any] = {"secrets": [settings], "volumes": {MOUNT: artifacts}}


def open_shop() -> Any:
    """Open the shop of this container."""
    from service.bootstrap import open_modal_shop
    from service.logs import configure
    from service.settings import Settings

    read = Settings.read()
    configure(read.log_level)
    url = web.get_web_url()
    assert url is not None, "it is deployed as a web endpoint"
    return open_modal_shop(read, entries=jobs, volume=artifacts, spawn=run_job.spawn, base_url=url)


@app.function(
    image=web_image, memory=WEB_MEMORY, max_containers=WEB_CONTAINERS, scaledown_window=WEB_IDLE, **everywhere
)
@modal.concurrent(max_inputs=WEB_AT_ONCE)
@modal.asgi_app(label="film")
def web() -> Any:
    """Answer callers."""
    from service.web.app import create_app

    return create_app(open_shop(), upkeep=False)


@app.function(
    image=job_image,
    cpu=JOB_CPU,
    memory=JOB_MEMORY,
    timeout=JOB_TIMEOUT,
    retries=JOB_RETRIES,
    max_containers=JOB_CONTAINERS,
    **everywhere,
)
def run_job(job_id: str) -> None:
    """Do a job, its pieces in other containers. Repeated after a crash, it goes on with the next attempt."""
    from service.bootstrap import answer_modal_call

    answer_modal_call(
        open_shop(),
        job_id,
        worker=os.environ["MODAL_TASK_ID"],
        make=Interpolator().make.map,
        progress=progress,
        volume=artifacts,
        models=MODELS,
    )


@app.cls(
    image=network_image,
    gpu=GPUS,
    cpu=GPU_CPU,
    memory=GPU_MEMORY,
    env={"FILM_NETWORK_MEMORY_BYTES": str(GPU_NETWORK_BYTES)},
    timeout=PIECE_TIMEOUT,
    retries=PIECE_RETRIES,
    max_containers=GPU_CONTAINERS,
    scaledown_window=GPU_IDLE,
    enable_memory_snapshot=True,
    **everywhere,
)
class Interpolator:
    """Makes pieces, one at a time."""

    @modal.enter(snap=True)
    def read(self) -> None:
        """Read the weights, and load TensorFlow without letting it look for a GPU: this is kept as a snapshot."""
        from service.worker.runners import read_weights

        self.weights = read_weights(MODEL)

    @modal.enter()
    def load(self) -> None:
        """Load the network."""
        from service.bootstrap import open_piece_maker
        from service.logs import configure
        from service.settings import Settings

        read = Settings.read()
        configure(read.log_level)
        self.maker = open_piece_maker(
            read,
            entries=jobs,
            progress=progress,
            volume=artifacts,
            weights=self.weights,
            worker=os.environ["MODAL_TASK_ID"],
        )

    @modal.method()
    def make(self, order: Any) -> Any:
        """Make a piece, a `PieceOrder`, into a `PieceOutcome`."""
        return self.maker.make(order)


@app.function(image=web_image, schedule=SWEEP_PERIOD, timeout=SWEEP_TIMEOUT, max_containers=1, **everywhere)
def sweep() -> None:
    """Expire, recover, settle, and tell webhooks."""
    from service.backends.modal.progress import forget_dead

    shop = open_shop()
    shop.upkeep.sweep()
    forget_dead(progress, shop.runs.is_live)
    shop.courier.deliver_due()


@app.function(image=web_image, **everywhere)
def begin(job_id: str, **options: Any) -> None:
    """Order a clip for whoever runs `main`."""
    from service.backends.modal.operator import OPERATOR
    from service.jobs import Options

    open_shop().orders.begin(job_id, OPERATOR, Options(**options))


@app.function(image=web_image, **everywhere)
def look(job_id: str, *, cancel: bool = False) -> dict[str, Any]:
    """Say where a clip of `main` stands, after cancelling it where that is asked for."""
    from service.backends.modal.operator import look_at

    return look_at(open_shop().orders, job_id, cancel=cancel)


@app.local_entrypoint()
def main(  # noqa: PLR0913, PLR0917 (the options of a command)
    source: str,
    target: str,
    fps: int,
    multiplier: int = 2,
    keep_duration: bool = False,  # noqa: FBT001, FBT002 (Modal makes options of them)
    overwrite: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Make a smoother clip of a file here, in the cloud; it appears at `target` when it is whole."""
    from service.backends.modal.operator import make_file
    from service.errors import ServiceError

    try:
        make_file(
            Path(source),
            Path(target),
            begin=begin.remote,
            look=look.remote,
            volume=artifacts,
            overwrite=overwrite,
            say=print,
            frame_multiplier=multiplier,
            output_fps=fps,
            keep_duration=keep_duration,
        )
    except (ServiceError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("cancelled")
