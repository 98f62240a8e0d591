"""Runs one job from end to end. The only room of the service that knows `film`.

run_job         one claimed job: fetch, probe, price, pieces, join, keep, end
SegmentRunner   who makes the pieces; LocalRunner does it in this process
Worker          takes jobs until it is told to end
Stop            stops work that is under way
"""

from service.worker.failures import FAILURES, failure_of
from service.worker.loop import Worker
from service.worker.run import Fetch, run_job
from service.worker.runners import LocalRunner, Networks, SegmentRunner, Work, check_model
from service.worker.stopping import Reason, Stop, Stopped

__all__ = [
    "FAILURES",
    "Fetch",
    "LocalRunner",
    "Networks",
    "Reason",
    "SegmentRunner",
    "Stop",
    "Stopped",
    "Work",
    "Worker",
    "check_model",
    "failure_of",
    "run_job",
]
