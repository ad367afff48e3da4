"""Very many viewers of one board on one web process: how soon a change reaches them all, and the process's memory."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from slotwatch.bench.crew import Child, crew
from slotwatch.bench.http_client import Request, serving
from slotwatch.bench.process_cost import MIB, resident
from slotwatch.bench.report import Steps, spread
from slotwatch.bench.seed import Wave, open_connection, seed
from slotwatch.domain.booking import CheckInMethod
from slotwatch.domain.ids import BookingId, booking_ref
from slotwatch.domain.lifecycle import State, Step
from slotwatch.domain.notices import USUAL_CHANNELS
from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.database import Database, DatabaseSettings, connect
from slotwatch.usecases.check_in import CheckInAttempt, check_in
from slotwatch.usecases.desk import BookingSettings, Desk

__all__ = ["LiveSize", "desk_of", "measure_live"]

_STREAM = "/api/vendor/dashboard/slot-monitoring/stream"
_VENDOR = 1  # the one of `seed`
_CONNECTIONS = 16
_SECONDS_BETWEEN = 2  # changes
_CHANGES_A_MINUTE = 60 // _SECONDS_BETWEEN
_TARGET_MS, _TARGET_GROWTH_MB = 1000, 10
_ATTEMPT = CheckInAttempt(CheckInMethod.APP)


@dataclass(frozen=True)
class LiveSize:
    """How much is measured."""

    viewers: int
    minutes: float

    @property
    def changes(self) -> int:
        """In all."""
        return max(round(self.minutes * _CHANGES_A_MINUTE), 1)

    @property
    def parts(self) -> list[range]:
        """The bookings that change in each minute that is begun; they are numbered from 1."""
        after = self.changes + 1
        return [range(n, min(n + _CHANGES_A_MINUTE, after)) for n in range(1, after, _CHANGES_A_MINUTE)]


async def measure_live(url: str, size: LiveSize, steps: Steps) -> dict[str, Any]:
    """Drivers check in one after the other; a viewer has heard of it when its stream names the booking."""
    clock = DatabaseClock()
    async with AsyncExitStack() as stack:
        conn = await open_connection(url)
        stack.push_async_callback(conn.close)
        starts_at = await clock.now(conn) - timedelta(minutes=1)
        await seed(
            conn, Wave(size.changes, size.changes, starts_at, state=State.GRACE, step=Step.GRACE_HALF, version=2)
        )
        database = await connect(DatabaseSettings(), name="bench", url=url)
        stack.push_async_callback(database.close)
        server = await stack.enter_async_context(serving(url, _CONNECTIONS))
        before = resident(server.pid)
        steps.begin(f"{size.viewers:,} viewers open their streams")
        token = server.token("bench", "vendor", vendor_id=_VENDOR)
        order = {
            "host": server.host,
            "port": server.port,
            "viewers": size.viewers,
            "request": Request("GET", _STREAM, token).encoded().decode(),
        }
        (crowd,) = await stack.enter_async_context(crew(1, order, module="slotwatch.bench.viewers"))
        late: list[float] = []
        minutes: list[dict[str, Any]] = []
        for numbers in size.parts:
            steps.begin(f"minute {1 + len(minutes)} of {size.minutes:g}")
            heard = await _minute(desk_of(database), crowd, size.viewers, numbers)
            late += heard
            minutes.append({**_rounded(heard), "rss_mb": round(resident(server.pid) / MIB, 1)})
    return {
        "bench": "live",
        "viewers": size.viewers,
        "changes": size.changes,
        "reached_ms": _rounded(late),
        "target_ms": _TARGET_MS,
        "rss_mb_without_viewers": round(before / MIB, 1),
        "rss_mb_after_first_minute": minutes[0]["rss_mb"],
        "rss_mb_at_end": minutes[-1]["rss_mb"],
        "target_growth_mb": _TARGET_GROWTH_MB,
        "minutes": minutes,
    }


async def _minute(desk: Desk, crowd: Child, viewers: int, numbers: range) -> list[float]:
    """Milliseconds of every viewer and change, counted from before the check-in.

    Raises RuntimeError when a viewer does not hear of one.
    """
    found: list[float] = []
    for number in numbers:
        await crowd.tell({"ref": booking_ref(BookingId(number))})
        assert (await crowd.hear()).get("listening")
        since = monotonic()
        await check_in(desk, number, number, _ATTEMPT)
        await crowd.tell({"since": since})
        told = await crowd.hear()
        if len(told["late_ms"]) != viewers or told["open"] != viewers:
            raise RuntimeError(f"{len(told['late_ms'])} viewers heard of a change; {told['open']} streams are open")
        found += told["late_ms"]
        await desk.clock.wait(timedelta(seconds=max(since + _SECONDS_BETWEEN - monotonic(), 0)))
    return found


def _rounded(milliseconds: list[float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in spread(milliseconds).items()}


def desk_of(database: Database) -> Desk:
    return Desk(database, DatabaseClock(), BookingSettings(), USUAL_CHANNELS, lambda due_at: None)
