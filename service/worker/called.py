"""A worker that is called for one job, and gone afterwards: how a platform runs them."""

import logging
import time
from collections.abc import Callable
from typing import Final

from service.jobs import Job
from service.shop import Shop
from service.worker.run import Fetch, run_job
from service.worker.runners import SegmentRunner

__all__ = ["answer_call"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_LEASES: Final = 2  # for so many somebody who is called waits for a worker that may be dead


def answer_call(
    shop: Shop, job_id: str, worker: str, *, fetcher: Fetch, runner_of: Callable[[Job], SegmentRunner]
) -> bool:
    """Do a job, unless it has ended or somebody who is alive has it; say whether it was done here.

    Whoever had the job may just have been killed, and this be the call that is repeated for it. So where the
    job isn't free, this waits until it is, for two leases at most: by then it has ended, or its worker lives.

    Args:
        shop: Where the job is.
        job_id: Of the job.
        worker: Who this is, for logs.
        fetcher: Gets its source.
        runner_of: Gives who makes the pieces of the job, once it is claimed.
    """
    patience = time.monotonic() + _LEASES * shop.runs.rules.lease.total_seconds()
    while True:
        job = shop.runs.take(job_id, worker)
        if job is not None:
            run_job(job, shop=shop, fetcher=fetcher, runner=runner_of(job))
            return True
        known = shop.jobs.get(job_id)
        if known is None or known.outcome is not None or time.monotonic() > patience:
            _log.info("call not needed", extra={"job": job_id, "worker": worker})
            return False
        time.sleep(_LOOK_SECONDS)
