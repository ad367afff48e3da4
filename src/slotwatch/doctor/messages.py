"""Looks at the messages: which channels are on, can their providers be reached, what waits, what is dead."""

from datetime import timedelta
from urllib.parse import urlsplit

from slotwatch.channels.loopback import is_loopback
from slotwatch.config import Settings
from slotwatch.doctor.finding import Finding, fail, ok, warn
from slotwatch.domain.notices import USUAL_CHANNELS, Channel
from slotwatch.storage.statements import Connection, Statement
from slotwatch.storage.vital_signs import Backlog, VitalSigns
from slotwatch.wiring import build_provider

__all__ = ["check_costs", "check_deliveries", "check_links", "check_providers"]

_WAITS = timedelta(seconds=60)
_WAITS_LONG = timedelta(minutes=10)
_NAMES = {
    Channel.EMAIL: "E-mail",
    Channel.SMS: "SMS",
    Channel.PUSH: "Web push",
    Channel.WHATSAPP: "WhatsApp",
    Channel.VOICE: "Voice",
    Channel.WEBHOOK: "Webhook",
}
_VARIABLES = {Channel.EMAIL: "EMAIL_ENABLED", Channel.SMS: "SMS_ENABLED"}

_WORST_ERROR = Statement(
    "SELECT error, count(*) AS n FROM (SELECT error FROM delivery WHERE state IN ('failed', 'set_aside')"
    " AND channel = :channel ORDER BY notice_id DESC LIMIT 200) AS latest WHERE error IS NOT NULL"
    " GROUP BY error ORDER BY n DESC LIMIT 1"
)


async def check_providers(settings: Settings) -> list[Finding]:
    """Whether each channel is on and its provider lets us in."""
    enabled = settings.channels
    if not enabled:
        says = "Every channel is switched off: nobody hears that a slot began, so every no-show will be voided."
        return [fail("channels", says, "Set EMAIL_ENABLED or SMS_ENABLED to true.")]
    return [await _provider(settings, channel) for channel in Channel if channel in USUAL_CHANNELS | enabled]


async def _provider(settings: Settings, channel: Channel) -> Finding:
    name = _NAMES[channel]
    if channel not in settings.channels:
        says = f"{name} is switched off: it cannot step in where the other channel fails, and who hears of the start"
        return warn(name, f"{says} on no channel does not lose the slot.", f"Set {_VARIABLES[channel]} to true.")
    provider = build_provider(settings, channel)
    if provider is None:
        return ok(name, f"{name} goes to the local inbox: no provider is configured.")
    try:
        trouble = await provider.check()
    finally:
        await provider.close()
    if trouble is None:
        return ok(name, f"{name} can be sent: {provider.provider} answers and lets us in.")
    return fail(name, trouble, "What waits is sent when it works again; stale messages are recorded as missed.")


def check_links(settings: Settings) -> list[Finding]:
    """Whether links in real messages lead to a place that drivers can reach."""
    host = urlsplit(settings.notices.frontend_url).hostname or ""
    sends = settings.smtp.configured or settings.twilio.configured
    if sends and is_loopback(host):
        says = f"Links in messages lead to {settings.notices.frontend_url}, which only this machine can reach."
        return [warn("links", says, "Set FRONTEND_URL to the address that drivers use.")]
    return [ok("links", f"Links in messages lead to {settings.notices.frontend_url}.")]


def check_costs(settings: Settings) -> list[Finding]:
    """Whether anything bounds what SMS may cost."""
    if not settings.twilio.configured:
        return []
    if not settings.numbers.allowed and settings.caps.spend_cap is None:
        says = "SMS go to the phones of every country, and nothing bounds what a day of them may cost."
        return [warn("costs", says, "Set SLOTWATCH_PHONE_COUNTRIES, SLOTWATCH_SPEND_CAP or both.")]
    return [ok("costs", "What SMS may cost is bounded by countries or by a cap.")]


async def check_deliveries(conn: Connection, signs: VitalSigns) -> list[Finding]:
    """What waits and what is dead, channel by channel."""
    return [finding for backlog in signs.backlogs for finding in await _backlog(conn, backlog)]


async def _backlog(conn: Connection, backlog: Backlog) -> list[Finding]:
    name = f"{_NAMES[backlog.channel]} deliveries"
    findings = []
    if backlog.waits > _WAITS:
        says = f"{backlog.pending:,} wait, the oldest for {backlog.waits.total_seconds() / 60:.0f} min."
        level = fail if backlog.waits > _WAITS_LONG else warn
        findings.append(level(name, says, "See whether a worker runs and the provider answers."))
    dead = backlog.failed + backlog.set_aside
    if dead:
        row = await _WORST_ERROR.fetchrow(conn, channel=backlog.channel.value)
        why = f" Most often: {row['error']}" if row is not None else ""
        says = f"{backlog.failed:,} failed for good and {backlog.set_aside:,} were set aside.{why}"
        level = fail if backlog.set_aside else warn
        findings.append(level(name, says, "Correct the contact or the provider's settings; report what was set aside."))
    return findings or [ok(name, f"{backlog.pending:,} wait, none is dead.")]
