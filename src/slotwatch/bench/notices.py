"""All bookings begin at one instant: from due to accepted by mail server and SMS provider, beside the bare sending."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import Any

from slotwatch.bench.crew import Child, crew
from slotwatch.bench.database_time import DatabaseTime
from slotwatch.bench.report import Steps, medians
from slotwatch.bench.seed import Wave, open_connection, seed
from slotwatch.bench.worker import working
from slotwatch.channels import SmtpChannel
from slotwatch.config import load_settings
from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.samples import samples
from slotwatch.storage.clock import DatabaseClock, monotonic
from slotwatch.storage.statements import Connection, Statement, load_sql
from slotwatch.wiring import build_renderer

__all__ = ["NoticesSize", "measure_notices", "provider_env"]

_CHECK = load_sql(__package__, "check_outbox.sql")
_BEATS = Statement("SELECT count(*) FROM heartbeat WHERE component = 'engine'")

_TARGET_RATIO, _TARGET_RENDER_MS = 0.5, 1
_SENT = Statement("SELECT count(*) FROM delivery WHERE state = 'sent'")
_SECONDS_TO_START = 3  # for a worker process
_PATIENCE = (1, 2, 4)  # times as long, one after the other, where that is not enough
_SEEDED_A_SECOND = 4000
_SECONDS_FOR_A_ROUND = 600
_POLL = timedelta(seconds=0.1)
_MAILS_OF_EACH_KIND = 10  # in each language


@dataclass(frozen=True)
class NoticesSize:
    """How much is measured."""

    bookings: int
    workers: int
    rounds: int


async def measure_notices(url: str, size: NoticesSize, steps: Steps) -> dict[str, Any]:
    """Rounds of the limit and of the product in turn, since other things happen on the machine, too."""
    conn = await open_connection(url)
    rounds = []
    try:
        with TemporaryDirectory(prefix="slotwatch-bench-") as folder:
            async with crew(1, {}, module="slotwatch.bench.sinks") as (sinks,):
                env = {**provider_env(sinks.greeting["smtp"], sinks.greeting["http"]), "SLOTWATCH_DATA_DIR": folder}
                steps.begin("rendering e-mails")
                render_ms = _render_ms(env)
                for number in range(1, size.rounds + 1):
                    steps.begin(f"round {number} of {size.rounds}, the limit")
                    limit = await _limit(sinks, size, env)
                    steps.begin(f"round {number} of {size.rounds}, {size.workers} worker(s)")
                    ours = await _product(_Stage(conn, url, sinks, env), size)
                    ratio = ours["deliveries_per_second"] / limit
                    rounds.append({**ours, "limit_per_second": limit, "ratio_to_limit": ratio})
    finally:
        await conn.close()
    return {
        "bench": "notices",
        "bookings": size.bookings,
        "deliveries": 2 * size.bookings,
        "workers": size.workers,
        **medians(rounds),
        "target_ratio": _TARGET_RATIO,
        "render_ms": round(render_ms, 3),
        "target_render_ms": _TARGET_RENDER_MS,
        "rounds": rounds,
    }


def provider_env(smtp_port: int, http_port: int) -> dict[str, str]:
    """The settings of a worker whose mail server and SMS provider are on this machine."""
    return {
        "SLOTWATCH_SMTP_HOST": "127.0.0.1",
        "SLOTWATCH_SMTP_PORT": str(smtp_port),
        "SLOTWATCH_SMTP_SECURITY": "none",
        "SLOTWATCH_SMTP_FROM": "Slotwatch <no-reply@charge.example>",
        "SLOTWATCH_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "SLOTWATCH_TWILIO_AUTH_TOKEN": "bench",
        "SLOTWATCH_TWILIO_FROM": "+15005550006",
        "SLOTWATCH_TWILIO_BASE_URL": f"http://127.0.0.1:{http_port}",
        "FRONTEND_URL": "https://charge.example",
    }


def _render_ms(env: Mapping[str, str]) -> float:
    """The median time from a claimed delivery to the bytes of its e-mail; each for another driver and booking."""
    settings = load_settings(env)
    renderer, smtp = build_renderer(settings), SmtpChannel(settings.smtp)
    times = []
    for delivery in _deliveries():
        began = monotonic()
        smtp.written(renderer.message(delivery, settings.notices.frontend_url))
        times.append((monotonic() - began) * 1000)
    return statistics.median(times)


def _deliveries() -> Iterator[Claimed]:
    for turn in range(_MAILS_OF_EACH_KIND):
        for language in LANGUAGES:
            for delivery in samples(language):
                facts = {**delivery.facts, "driver_name": f"Driver {turn}", "email": f"driver{turn}@example.org"}
                if facts["booking_id"] is not None:  # the kind is about one
                    facts["booking_id"] += turn
                yield replace(delivery, facts=facts)


async def _limit(sinks: Child, size: NoticesSize, env: Mapping[str, str]) -> float:
    """Ready messages a second, as many of each channel, from as many processes."""
    each = -(-size.bookings // size.workers)
    async with crew(size.workers, {"env": env, "each": each}, module="slotwatch.bench.ready") as children:
        began = monotonic()
        await _expect(sinks, each * size.workers, began)
        for child in children:
            await child.tell({"go": True})
        told = await _accepted(sinks)
    return 2 * each * size.workers / (_last(told) - began)


@dataclass(frozen=True)
class _Stage:
    """Where the product plays: its database, whom it sends to, its settings."""

    conn: Connection
    url: str
    sinks: Child
    env: Mapping[str, str]


async def _product(stage: _Stage, size: NoticesSize) -> dict[str, Any]:
    """Deliveries a second from the due instant until the last one was accepted, by `slotwatch work` as it is."""
    for patience in _PATIENCE:
        found = await _try(stage, size, patience)
        if found is not None:
            return found
    raise RuntimeError("the bookings were due before the workers were ready, again and again: the machine is too busy")


async def _try(stage: _Stage, size: NoticesSize, patience: int) -> dict[str, Any] | None:
    """None when the bookings were due before the workers were ready."""
    conn, sinks, clock = stage.conn, stage.sinks, DatabaseClock()
    head_start = patience * (_SECONDS_TO_START * (1 + size.workers) + size.bookings / _SEEDED_A_SECOND)
    due_at = await clock.now(conn) + timedelta(seconds=head_start)
    await seed(conn, Wave(size.bookings, size.bookings, due_at))
    time = await DatabaseTime.compared(conn)
    due = time.reading + (due_at - time.at).total_seconds()
    async with AsyncExitStack() as stack, asyncio.timeout(_SECONDS_FOR_A_ROUND):
        for _ in range(size.workers):
            await stack.enter_async_context(working(stage.url, stage.env))
        await _until(conn, clock, _BEATS, size.workers)
        if monotonic() >= due:
            return None
        await _expect(sinks, size.bookings, due)
        told = await _accepted(sinks, size.bookings)
        await _until(conn, clock, _SENT, 2 * size.bookings)
    await _check(conn, size)
    return {
        "deliveries_per_second": 2 * size.bookings / (_last(told) - due),
        "mail_ms": told["mails"]["late_ms"],
        "sms_ms": told["texts"]["late_ms"],
    }


async def _expect(sinks: Child, each: int, since: float) -> None:
    """From now on the sinks count anew, up to that many mails and that many text messages."""
    await sinks.tell({"each": each, "since": since})
    assert (await sinks.hear()).get("cleared")


async def _accepted(sinks: Child, different: int | None = None) -> dict[str, Any]:
    """What the sinks tell when all is in. Raises RuntimeError when something came twice."""
    told = await sinks.hear()
    if different is not None and any(told[of]["different"] != different for of in ("mails", "texts")):
        raise RuntimeError(f"not every message came once: {told}")
    return told


def _last(told: Mapping[str, Any]) -> float:
    last: float = max(told["mails"]["last"], told["texts"]["last"])
    return last


async def _until(conn: Connection, clock: DatabaseClock, count: Statement, wanted: int) -> None:
    while await count.fetchval(conn) < wanted:
        await clock.wait(_POLL)


async def _check(conn: Connection, size: NoticesSize) -> None:
    """Every delivery sent with one attempt, or the speed means nothing."""
    row = await _CHECK.fetchrow(conn)
    assert row is not None
    if dict(row) != {"sent": 2 * size.bookings, "attempts": 2 * size.bookings, "wrong": 0}:
        raise RuntimeError(f"the rows after the run are not what they must be: {dict(row)}")
