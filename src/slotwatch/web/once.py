"""Idempotency-Key: the same request again gives the same answer, and its effect happens once, also for 20 at a time.

The first one claims the key and works; the others wait a little for its answer. Where the first died in between, a
later one takes the claim over, and looks whether the effect is there before it tries again.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from litestar import Response

from slotwatch.domain.errors import IdempotencyKeyReused, NotFound, SlotwatchError, Unavailable
from slotwatch.storage import idempotency
from slotwatch.storage.clock import monotonic
from slotwatch.storage.idempotency import Claim, Held
from slotwatch.usecases.desk import Desk
from slotwatch.web.contract import ApiRequest
from slotwatch.web.problems import (
    FieldError,
    FieldsRefused,
    IdempotencyInProgress,
    as_slotwatch_error,
    problem,
    status_of,
)

__all__ = ["Answer", "nothing_to_recall", "once"]

_PATIENCE_SECONDS = 5.0
_LONGEST_WORK_SECONDS = 20.0  # shorter than the age at which a claim may be taken over
_FIRST_PAUSE = timedelta(milliseconds=20)
_LONGEST_PAUSE = timedelta(milliseconds=250)


@dataclass(frozen=True)
class Answer:
    """What goes out: status and JSON."""

    status: int
    body: bytes

    @classmethod
    def of(cls, status: int, answer: object) -> "Answer":
        """The answer with that body."""
        return cls(status, msgspec.json.encode(answer))


Work = Callable[[], Awaitable[Answer]]
Recall = Callable[[], Awaitable[Answer | None]]


async def once(request: ApiRequest, work: Work, recall: Recall) -> Response[bytes]:
    """Do `work`, once for each Idempotency-Key of this caller; without a key, just do it.

    `recall` is asked when an earlier process died over the same request: the answer if the effect has happened.
    Raises IdempotencyKeyReused or IdempotencyInProgress, or whatever `work` raises.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return _response(await work())
    desk: Desk = request.app.state.desk
    asked = idempotency.Request(request.user.key, _checked_key(key), await _hash(request))
    held = await _claimed(desk, asked)
    if isinstance(held, Held):
        assert held.status is not None and held.body is not None
        return _response(Answer(held.status, held.body.encode()))
    return _response(await _worked(desk, asked, held, (work, recall)))


async def _claimed(desk: Desk, asked: idempotency.Request) -> Claim | Held:
    """The claim, or the answer that another request left: bounded waiting, no connection held meanwhile."""
    give_up_at = monotonic() + _PATIENCE_SECONDS
    pause = _FIRST_PAUSE
    while True:
        async with desk.database.connection() as conn:
            held = await idempotency.claim(conn, asked, now=desk.clock.fixed)
        if isinstance(held, Held):
            if not held.is_same:
                raise IdempotencyKeyReused
            if held.body is None:
                if monotonic() > give_up_at:
                    raise IdempotencyInProgress
                await desk.clock.wait(pause, asyncio.Event())
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
        return held


async def _worked(desk: Desk, asked: idempotency.Request, held: Claim, how: tuple[Work, Recall]) -> Answer:
    """The answer, left for every repeat. A refusal is an answer too; trouble of ours is none."""
    work, recall = how
    try:
        async with asyncio.timeout(_LONGEST_WORK_SECONDS):
            answer = (await _recalled(recall) if held.is_second else None) or await work()
    except SlotwatchError as error:
        if status_of(type(error)) >= 500:
            await _abandoned(desk, asked, held)
            raise
        answer = Answer.of(status_of(type(error)), problem(error))
    except BaseException as error:
        await _abandoned(desk, asked, held)
        if isinstance(error, TimeoutError):
            raise Unavailable("This took too long. Send the same request again.") from error
        raise
    async with desk.database.connection() as conn:
        await idempotency.finish(conn, asked, held, status=answer.status, body=answer.body.decode())
    return answer


async def _recalled(recall: Recall) -> Answer | None:
    try:
        return await recall()
    except NotFound:  # not even the driver is there: nothing has happened, and the work will say what is missing
        return None


async def _abandoned(desk: Desk, asked: idempotency.Request, held: Claim) -> None:
    """Let the next repeat take over at once; where even that cannot be written, it may after half a minute."""
    try:
        async with desk.database.connection() as conn:
            await idempotency.abandon(conn, asked, held)
    except Exception as error:  # the caller raises what mattered
        as_slotwatch_error(error)


def _checked_key(key: str) -> str:
    if not 0 < len(key) <= 255 or not (key.isascii() and key.isprintable()):
        raise FieldsRefused(FieldError("Idempotency-Key", "1 to 255 printable ASCII characters are needed"))
    return key


async def _hash(request: ApiRequest) -> str:
    """Of method, path and body; the order of keys and white space in JSON make no difference."""
    body = await request.body()
    with suppress(msgspec.DecodeError):
        body = msgspec.json.encode(msgspec.json.decode(body), order="sorted") if body else body
    digest = hashlib.sha256()
    for part in (request.method.encode(), request.scope["path"].encode(), body):
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


def _response(answer: Answer) -> Response[bytes]:
    media_type = "application/json" if answer.status < 400 else "application/problem+json"
    return Response(answer.body, status_code=answer.status, media_type=media_type)


async def nothing_to_recall() -> Answer | None:
    """For what may be done twice: doing it again is harmless, or a conflict."""
    return None
