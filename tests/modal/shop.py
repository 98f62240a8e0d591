"""The app on a plane, deployed as an operator does, and what its callers and its operator see of it."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import modal

from tests.modal_plane.fixture import ROOT, ContainerState, Plane, eventually

__all__ = ["KEEP_SECONDS", "SECRET", "SLUG", "Shop", "data_url"]

SECRET = "a secret that deserves its name, here"  # noqa: S105 (of a shop that lives for a minute)
KEEP_SECONDS = 25  # that results are kept where the app is deployed for all tests
SLUG = "video-frame-interpolation"
ENDED = ("COMPLETED", "FAILED")


class Shop:
    """The app as it is deployed on a plane, its accounts in a database."""

    def __init__(self, plane: Plane, project: Path, database_url: str) -> None:
        """Take where it runs, what is deployed, and where its accounts are."""
        self.plane = plane
        self._app = project / "modal_app.py"
        self._database_url = database_url
        self.url = ""

    def deploy(self, *, environment: Mapping[str, str], settings: Mapping[str, object]) -> None:
        """Write the secret, and deploy.

        Args:
            environment: Of who deploys.
            settings: What the secret has beside what every deployment needs; `lease_seconds` is FILM_LEASE_SECONDS.
        """
        needed = {"secret": SECRET, "database_url": self._database_url, "allow_private_urls": True}
        pairs = [f"FILM_{name.upper()}={value}" for name, value in {**needed, **settings}.items()]
        self.plane.modal("secret", "create", "film", *pairs, "--force")
        self.plane.deploy(self._app, {"FILM_MODEL": "compact", **environment})
        self.url = self.plane.functions()["web"].web_url

    def new_key(self, account: str, credits: float) -> str:
        """Make a key as an operator does."""
        environment = {**os.environ, "FILM_SECRET": SECRET, "FILM_DATABASE_URL": self._database_url}
        command = [sys.executable, "-m", "service", "keys", "create", account, "--credits", str(credits)]
        made = subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        return made.stdout.strip()

    def credits(self, key: str) -> float:
        """Ask for a key's spendable credits."""
        found: float = self._get("/v1/get-user-credits", key)["credits"]
        return found

    def submit(self, key: str, **body: Any) -> str:
        """Order, and give the request's id."""
        answer = httpx.post(f"{self.url}/v2/{SLUG}", json=body, headers={"x-api-key": key}, timeout=60)
        found: str = answer.raise_for_status().json()["request_id"]
        return found

    def status(self, key: str, job_id: str) -> dict[str, Any]:
        """Ask how far a request is."""
        return self._get(f"/v2/requests/{job_id}/status", key)  # 422 where it has failed

    def result(self, key: str, job_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """Wait for the end of a request, and give what came out."""
        eventually(lambda: self.status(key, job_id)["status"] in ENDED, seconds=seconds)
        answer = httpx.get(f"{self.url}/v2/requests/{job_id}", headers={"x-api-key": key}, timeout=60)
        found: dict[str, Any] = answer.json()
        return found

    def cancel(self, key: str, job_id: str) -> None:
        """Take an order back."""
        httpx.delete(f"{self.url}/v2/requests/{job_id}", headers={"x-api-key": key}, timeout=60).raise_for_status()

    def busy(self, function: str) -> ContainerState:
        """Wait for a container of a function that works on something, and give it."""
        return eventually(lambda: next((each for each in self.plane.containers(function) if each.running), None))

    def is_idle(self, function: str) -> bool:
        """Say whether no container of a function works on anything."""
        return not any(each.running for each in self.plane.containers(function))

    def events(self, function: str) -> list[dict[str, Any]]:
        """Give what a function's containers have logged."""
        lines = re.findall(r"^\{.*\}$", self.plane.logs(function), re.MULTILINE)
        return [json.loads(line) for line in lines]

    def files(self, place: str = "/") -> list[str]:
        """List what is on the Volume below a place, whoever may see it."""
        volume = modal.Volume.from_name("film-artifacts", client=self.plane.client)
        entries = volume.listdir(place, recursive=True)
        return sorted(entry.path for entry in entries if entry.type == modal.types.FileEntryType.FILE)

    def left(self) -> list[str]:
        """List what only jobs that run may have: workspaces, sources, progress."""
        volume = modal.Volume.from_name("film-artifacts", client=self.plane.client)
        progress = modal.Dict.from_name("film-progress", client=self.plane.client)
        paths = [entry.path for entry in volume.listdir("/", recursive=True)]
        return [*(path for path in paths if path.startswith(("work/", "kept/sources/"))), *map(str, progress.keys())]

    def entries(self, job_id: str) -> list[str]:
        """List the names of a job's entries in the Dict."""
        jobs = modal.Dict.from_name("film-jobs", client=self.plane.client)
        return sorted(key.partition("/")[2] for key in map(str, jobs.keys()) if key.startswith(f"{job_id}/"))

    def _get(self, path: str, key: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}{path}", headers={"x-api-key": key}, timeout=60)
        assert answer.status_code in {HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY}, answer.text
        found: dict[str, Any] = answer.json()
        return found


def data_url(video: Path) -> str:
    """Give a file as requests may hold it."""
    return "data:video/mp4;base64," + base64.b64encode(video.read_bytes()).decode()
