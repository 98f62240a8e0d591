"""Reading bodies: bounded while they stream in, and few large ones at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from service.errors import BadRequest, LimitReached, TooLarge
from service.web.errors import WrongContentType, explain

__all__ = ["BodyReader"]

Body = TypeVar("Body", bound=BaseModel)

_LARGE: Final = 1 << 20  # bytes; up to there a body needs no leave
_AT_ONCE: Final = 2  # large bodies in memory
_WAIT_SECONDS: Final = 20.0  # for one of these places; callers give up after 30
_SILENCE_SECONDS: Final = 30.0  # between two pieces of a body


class BodyReader:
    """Reads JSON bodies into models. A large one takes a place of few until its model is let go of."""

    def __init__(
        self,
        max_bytes: int,
        clock: Callable[[], datetime],
        *,
        at_once: int = _AT_ONCE,
        wait_seconds: float = _WAIT_SECONDS,
        silence_seconds: float = _SILENCE_SECONDS,
    ) -> None:
        """Take the limits.

        Args:
            max_bytes: Largest body.
            clock: Gives the time, UTC.
            at_once: Bodies above 1 MiB that may be in memory.
            wait_seconds: Longest that another one waits for them.
            silence_seconds: Longest that a sender may pause.
        """
        self._max_bytes = max_bytes
        self._clock = clock
        self._places = asyncio.Semaphore(at_once)
        self._wait_seconds = wait_seconds
        self._silence_seconds = silence_seconds

    @asynccontextmanager
    async def read(self, request: Request, model: type[Body]) -> AsyncIterator[Body]:
        """Read and check a request's body.

        Raises:
            WrongContentType: If it doesn't say that it is JSON.
            TooLarge: If it has, or says that it has, more bytes than may be.
            LimitReached: If too many large ones are being read.
            BadRequest: If it isn't what `model` says, or stops coming.
        """
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise WrongContentType
        async with AsyncExitStack() as stack:
            # Not kept: the bytes and the model made of them needn't be in memory together for long.
            yield _parse(await self._receive(request, stack), model)

    async def _receive(self, request: Request, stack: AsyncExitStack) -> bytearray:
        announced = request.headers.get("content-length", "")
        expected = int(announced) if announced.isdecimal() and len(announced) < 20 else 0  # noqa: PLR2004 (of 64 bits)
        if expected > self._max_bytes:
            raise TooLarge
        has_place = False
        body = bytearray()
        pieces = request.stream()
        while True:
            if not has_place and max(expected, len(body)) > _LARGE:
                await self._take_place(stack)
                has_place = True
            try:
                async with asyncio.timeout(self._silence_seconds):
                    body += await anext(pieces)
            except StopAsyncIteration:
                return body
            except (TimeoutError, ClientDisconnect) as error:
                raise BadRequest("the body stopped coming before its end") from error
            if len(body) > self._max_bytes:
                raise TooLarge

    async def _take_place(self, stack: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await stack.enter_async_context(self._places)
        except TimeoutError as error:
            again = self._clock() + timedelta(seconds=self._wait_seconds)
            raise LimitReached("too many large requests are being read; try again later", retry_at=again) from error


def _parse(body: bytearray, model: type[Body]) -> Body:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise BadRequest(explain([dict(problem) for problem in problems])) from None
