"""The shop, wired: what `service.bootstrap` makes of the settings, and web and workers are given."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from service.access import Access
from service.courier import Courier
from service.links import Links
from service.orders import Orders
from service.ports import ArtifactStore, JobIndex, JobStore, KeyStore, Ledger, Roster
from service.runs import Runs
from service.settings import Settings
from service.upkeep import Upkeep

__all__ = ["Shop"]


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Everything, by what it is for.

    Attributes:
        settings: As the operator has them.
        clock: Gives the time, UTC.
        access: Who is let in.
        orders: What callers can do.
        runs: What workers can do.
        upkeep: What has to be done now and then.
        courier: Tells webhooks.
        links: Makes and checks links to files.
        jobs, index, keys, ledger, artifacts, roster: The ports themselves.
    """

    settings: Settings
    clock: Callable[[], datetime]
    access: Access
    orders: Orders
    runs: Runs
    upkeep: Upkeep
    courier: Courier
    links: Links
    jobs: JobStore
    index: JobIndex
    keys: KeyStore
    ledger: Ledger
    artifacts: ArtifactStore
    roster: Roster
