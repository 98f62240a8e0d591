"""A shop put together over whatever backends there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.access import Access
from service.courier import Courier
from service.intake import Intake
from service.jobs import Job
from service.links import Links
from service.orders import Orders, Terms
from service.ports import ArtifactStore, Dispatcher, JobIndex, JobStore, KeyStore, Ledger, Roster
from service.runs import Rules, Runs
from service.settings import Settings
from service.shop import Shop
from service.upkeep import Upkeep
from service.webhooks import Webhooks

__all__ = ["Ports", "wire"]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The backends of one deployment: what `service.ports` asks for."""

    jobs: JobStore
    index: JobIndex
    keys: KeyStore
    ledger: Ledger
    artifacts: ArtifactStore
    roster: Roster
    dispatcher: Dispatcher


def wire(  # noqa: PLR0913 (what differs from one deployment to another)
    settings: Settings,
    ports: Ports,
    *,
    secret: bytes,
    base_url: str,
    clock: Callable[[], datetime],
    close: Callable[[], object] = lambda: None,
) -> Shop:
    """Put a shop together over whatever backends there are.

    Args:
        settings: As the operator has them.
        ports: The backends.
        secret: What keys are hashed and links signed with, 32 bytes at least.
        base_url: What addresses in webhooks begin with, where the settings have no `public_url`.
        clock: Gives the time, UTC.
        close: Lets go of what the backends hold open.
    """
    links = Links(secret, clock)
    runs = _runs(settings, ports, clock)

    def body_of(job: Job) -> Mapping[str, Any]:
        from service.web.bodies import result_body

        return result_body(shop, job, base_url=str(settings.public_url or base_url).rstrip("/"))

    shop = Shop(
        settings=settings,
        clock=clock,
        access=Access(
            ports.keys, ports.ledger, secret=secret, requests_per_minute=settings.requests_per_minute, clock=clock
        ),
        orders=_orders(settings, ports, runs, links, clock),
        runs=runs,
        upkeep=_upkeep(settings, ports, runs, clock),
        courier=_courier(settings, ports, secret, body_of, clock),
        links=links,
        jobs=ports.jobs,
        index=ports.index,
        keys=ports.keys,
        ledger=ports.ledger,
        artifacts=ports.artifacts,
        roster=ports.roster,
        close=close,
    )
    return shop


def _runs(settings: Settings, ports: Ports, clock: Callable[[], datetime]) -> Runs:
    rules = Rules(
        lease=timedelta(seconds=settings.lease_seconds),
        retries=settings.retries,
        queue=timedelta(seconds=settings.queue_seconds),
    )
    return Runs(
        jobs=ports.jobs, index=ports.index, ledger=ports.ledger, artifacts=ports.artifacts, rules=rules, clock=clock
    )


def _orders(settings: Settings, ports: Ports, runs: Runs, links: Links, clock: Callable[[], datetime]) -> Orders:
    return Orders(
        jobs=ports.jobs,
        index=ports.index,
        ledger=ports.ledger,
        artifacts=ports.artifacts,
        dispatcher=ports.dispatcher,
        intake=Intake(
            ports.artifacts,
            links,
            upload_seconds=settings.upload_seconds,
            allow_http=settings.allow_http,
            clock=clock,
        ),
        runs=runs,
        terms=Terms(
            minimum_hold=settings.minimum_hold,
            jobs_per_key=settings.jobs_per_key,
            keep=timedelta(seconds=settings.keep_seconds),
        ),
        clock=clock,
    )


def _upkeep(settings: Settings, ports: Ports, runs: Runs, clock: Callable[[], datetime]) -> Upkeep:
    return Upkeep(
        jobs=ports.jobs,
        index=ports.index,
        ledger=ports.ledger,
        artifacts=ports.artifacts,
        dispatcher=ports.dispatcher,
        runs=runs,
        keep=timedelta(seconds=settings.keep_seconds),
        keep_uploads=timedelta(seconds=settings.upload_seconds),
        clock=clock,
    )


def _courier(
    settings: Settings,
    ports: Ports,
    secret: bytes,
    body_of: Callable[[Job], Mapping[str, Any]],
    clock: Callable[[], datetime],
) -> Courier:
    return Courier(
        jobs=ports.jobs,
        index=ports.index,
        webhooks=Webhooks(
            secret=secret,
            seconds=settings.webhook_seconds,
            allow_http=settings.allow_http,
            allow_private=settings.allow_private_urls,
        ),
        body_of=body_of,
        attempts=settings.webhook_attempts,
        seconds=settings.webhook_seconds,
        clock=clock,
    )
