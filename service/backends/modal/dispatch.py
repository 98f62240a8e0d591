"""Jobs begun by the platform: a call for each, which starts a container where none is free."""

from collections.abc import Callable

import modal

from service.errors import BackendAway

__all__ = ["SpawnDispatcher"]


class SpawnDispatcher:
    """`Dispatcher` that spawns a function with the job's id."""

    def __init__(self, spawn: Callable[[str], object]) -> None:
        """Take `Function.spawn` of what begins jobs."""
        self._spawn = spawn

    def dispatch(self, job_id: str) -> None:
        """Have the job begun.

        Raises:
            BackendAway: If the platform doesn't answer; the next sweep dispatches it again.
        """
        try:
            self._spawn(job_id)
        except (modal.exception.Error, OSError) as error:
            raise BackendAway("no worker can be had at the moment; the request waits") from error

    def cancel(self, job_id: str) -> None:
        """Do nothing: whoever works on the job, or on a piece of it, looks about once a second whether it has ended."""
