"""Kinds of columns: times that are UTC again when they come back, credits that stay exact."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from service.errors import BadRequest
from service.jobs import MICRO

__all__ = ["PART", "Credits", "Moment", "to_micros"]

_MOST_MICROS: Final = 2**63 - 1  # what a BIGINT holds

PART: Final = sa.JSON(none_as_null=True)
"""A job's part: what its `to_json` gave; NULL while it isn't there."""


class Moment(sa.types.TypeDecorator[datetime]):
    """A time with its zone; SQLite, which has none, is given UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (a hook)
        """Turn a time into UTC."""
        if value is None:
            return None
        assert value.tzinfo is not None, "times are aware"
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (a hook)
        """Give UTC back, whatever the session's zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Credits(sa.types.TypeDecorator[Decimal]):
    """Credits, stored as whole millionths."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002 (a hook)
        """Count millionths."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 (a hook)
        """Give credits back, with six decimals."""
        return None if value is None else Decimal(value).scaleb(-6)


def to_micros(credits: Decimal) -> int:
    """Count the millionths in `credits`.

    Raises:
        BadRequest: If it is no number, has a part smaller than a millionth, or is too large to be kept.
    """
    if not credits.is_finite() or abs(credits) > Decimal(_MOST_MICROS).scaleb(-6) or credits % MICRO:
        raise BadRequest("credits must be a number with at most 6 decimals, and less than 9 million million")
    return int(credits.scaleb(6))
