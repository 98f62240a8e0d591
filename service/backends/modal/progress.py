"""What pieces tell of their progress, in a `modal.Dict` of its own: `JOB/ATTEMPT/NUMBER`, frames made."""

import contextlib
import functools
from collections.abc import Callable

import modal

__all__ = ["forget_dead"]


def forget_dead(progress: modal.Dict, is_live: Callable[[str, int], bool]) -> int:
    """Forget what was told for attempts that aren't live, by pieces that ended after them; give how much it was."""
    judge = functools.cache(is_live)  # every piece of an attempt has an entry
    dead = []
    for key in progress.keys():  # noqa: SIM118 (it is no mapping)
        job_id, attempt, _ = str(key).split("/")
        if not judge(job_id, int(attempt)):
            dead.append(key)
    for key in dead:
        with contextlib.suppress(KeyError):  # a sweep beside this one
            progress.pop(key)
    return len(dead)
