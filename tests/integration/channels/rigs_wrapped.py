"""Every rig again with a guard before its channel, and as the second in a chain whose first provider rests."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from slotwatch.channels import Chain, Channel, Failed, Guarded, GuardSettings, SmtpChannel, SmtpSettings, TwilioSms
from tests.integration.channels.http_double import http_double, twilio_error
from tests.integration.channels.rigs import RIGS, Rig, twilio_settings
from tests.integration.channels.rigs_http import HTTP_RIGS
from tests.mail_sink import MailSink, mail_sink

__all__ = ["EVERY_RIG", "smtp_before"]

_Start = Callable[[], AbstractAsyncContextManager[Rig]]


def smtp_before(sink: MailSink) -> Channel:
    """E-mail by a sink."""
    return SmtpChannel(
        SmtpSettings(host=sink.host, port=sink.port, security="none", sender="s@slotwatch.example", connections=1)
    )


def _guarded(start: _Start) -> _Start:
    @contextlib.asynccontextmanager
    async def guarded() -> AsyncIterator[Rig]:
        async with start() as rig:
            rig.channel = Guarded(rig.channel, GuardSettings())
            yield rig
            await rig.channel.close()

    return guarded


async def _chain(down: Channel, rig: Rig) -> Rig:
    """A rig whose channel comes after one that is down; it rests already, so that it takes none of the time."""
    resting = Guarded(down, GuardSettings(failures=1, rest_seconds=300))
    assert isinstance(await resting.send(rig.message(), timeout=5), Failed)
    assert resting.resting == 1
    rig.channel = Chain(resting, rig.channel)
    return rig


@contextlib.asynccontextmanager
async def _chained_smtp() -> AsyncIterator[Rig]:
    with mail_sink() as closing:
        closing.on_mail = "421 4.3.2 shutting down"
        async with RIGS["smtp"]() as rig:
            yield await _chain(smtp_before(closing), rig)
            await rig.channel.close()


@contextlib.asynccontextmanager
async def _chained_twilio() -> AsyncIterator[Rig]:
    async with http_double() as down, RIGS["twilio"]() as rig:
        down.otherwise = twilio_error(503, 20503, "unavailable")
        yield await _chain(TwilioSms(twilio_settings(down.base_url)), rig)
        await rig.channel.close()


_ALL = {**RIGS, **HTTP_RIGS}
EVERY_RIG: dict[str, _Start] = {
    **_ALL,
    **{f"guarded {name}": _guarded(start) for name, start in _ALL.items()},
    "chained smtp": _chained_smtp,
    "chained twilio": _chained_twilio,
}
