"""Sends a message that is ready, again and again: `python -m slotwatch.bench.ready`, the limit of `bench notices`.

The connections, how many are used at once, and the conversation on them are the product's own: its channels send, only
nothing is rendered, written as an e-mail, looked up or recorded. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping

import uvloop

from slotwatch.channels import Accepted, Outcome, SmtpChannel, TwilioSms
from slotwatch.config import load_settings
from slotwatch.domain.notices import Channel, NoticeKind
from slotwatch.outbox.samples import sample
from slotwatch.wiring import build_renderer

_SECONDS_EACH = 10.0


async def _send_when_told(env: Mapping[str, str], each: int, stdin: asyncio.StreamReader) -> None:
    settings = load_settings(env)
    render, site = build_renderer(settings), settings.notices.frontend_url
    mail = render.message(sample(NoticeKind.SLOT_STARTED), site)
    text = render.message(sample(NoticeKind.SLOT_STARTED, channel=Channel.SMS), site)
    smtp, twilio = SmtpChannel(settings.smtp), TwilioSms(settings.twilio)
    written = smtp.written(mail)
    try:
        _say(ready=True)
        if await stdin.readline():
            await asyncio.gather(
                _send(each, smtp.concurrency, lambda: smtp.send_written(written, timeout=_SECONDS_EACH)),
                _send(each, twilio.concurrency, lambda: twilio.send(text, timeout=_SECONDS_EACH)),
            )
            _say(done=True)
    finally:
        await smtp.close()
        await twilio.close()


async def _send(count: int, at_once: int, send: Callable[[], Awaitable[Outcome]]) -> None:
    turns = iter(range(count))

    async def lane() -> None:
        for _ in turns:
            outcome = await send()
            if not isinstance(outcome, Accepted):
                raise RuntimeError(f"a ready message was not taken: {outcome}")

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(lane())


def _say(**values: bool) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


async def _main() -> None:
    loop, stdin = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    order = json.loads(await stdin.readline())
    await _send_when_told(order["env"], order["each"], stdin)


if __name__ == "__main__":
    uvloop.run(_main())
