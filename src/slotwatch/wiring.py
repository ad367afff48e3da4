"""The only module that knows every part: builds each of them from the settings. No logic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from slotwatch.analytics.no_shows import no_shows_by_station
from slotwatch.channels import Chain, Channel, Guarded, InboxChannel
from slotwatch.channels.guarded import Allowance
from slotwatch.config import Settings
from slotwatch.domain import notices
from slotwatch.engine.advance import Advancer
from slotwatch.engine.audit import Auditor
from slotwatch.engine.clean import Cleaner
from slotwatch.engine.digest import Digest
from slotwatch.engine.hints import Hints, Listener
from slotwatch.engine.outages import Component, Heart
from slotwatch.engine.watch import Watch
from slotwatch.engine.worker import Duties, Worker
from slotwatch.outbox.hands import Hands
from slotwatch.outbox.sender import Sender
from slotwatch.storage import inbox
from slotwatch.storage.clock import Clock
from slotwatch.storage.database import Database, connect
from slotwatch.usecases.desk import Desk

if TYPE_CHECKING:
    from litestar import Litestar

    from slotwatch.channels.receipts import Translator
    from slotwatch.outbox.notice_tokens import NoticeTokens
    from slotwatch.outbox.render import Renderer
    from slotwatch.web.api.webhooks import Receivers
    from slotwatch.web.auth import TokenSigner
    from slotwatch.web.pages.town import TownGuide

__all__ = [
    "build_channels",
    "build_desk",
    "build_digest",
    "build_heart",
    "build_hints",
    "build_listener",
    "build_notice_tokens",
    "build_provider",
    "build_receivers",
    "build_renderer",
    "build_senders",
    "build_signer",
    "build_watch",
    "build_web",
    "build_worker",
    "open_database",
]

# One pool per kind of work, so that a rush on one of them cannot starve the others. Engine: a batch, the hints, the
# heartbeat, the watch, the digest. Outbox: claims and records of both channels, the local inbox.
ENGINE_CONNECTIONS = 6
OUTBOX_CONNECTIONS = 8


@asynccontextmanager
async def open_database(
    settings: Settings, url: str, *, name: str, connections: int, planned_anew: bool = False
) -> AsyncIterator[Database]:
    """A pool of its own for one kind of work; `name` shows in `pg_stat_activity`, `planned_anew` as in `connect`."""
    sized = msgspec.structs.replace(settings.database, pool_size=connections)
    database = await connect(sized, name=name, url=url, planned_anew=planned_anew)
    try:
        yield database
    finally:
        await database.close()


def build_provider(
    settings: Settings, channel: notices.Channel, allowances: dict[str, Allowance] | None = None
) -> Channel | None:
    """The provider that is configured for that channel; None means the local inbox.

    `allowances` is what each account takes, by the provider's name: channels built with the same ones share them.
    """
    # Imported when used: each brings a client library that the other choice never needs.
    servers = [one for one in (settings.smtp, settings.smtp2) if one.configured]
    accounts = [one for one in (settings.twilio, settings.twilio2) if one.configured]
    allowances = {} if allowances is None else allowances
    if channel is notices.Channel.EMAIL and servers:
        from slotwatch.channels import SmtpChannel

        return _in_a_row(settings, allowances, [SmtpChannel(one) for one in servers])
    if channel is notices.Channel.SMS and accounts:
        from slotwatch.channels import TwilioSms
        from slotwatch.channels.numbers import NumberRules

        why_not = NumberRules(settings.numbers).why_not
        return _in_a_row(settings, allowances, [TwilioSms(one, why_not=why_not) for one in accounts])
    return _build_louder(settings, channel, allowances)


def _build_louder(settings: Settings, channel: notices.Channel, allowances: dict[str, Allowance]) -> Channel | None:
    """WhatsApp and voice, by the first Twilio account; push and the operator's own app."""
    from slotwatch.channels import PushChannel, VoiceChannel, WebhookChannel, WhatsAppChannel
    from slotwatch.channels.numbers import NumberRules
    from slotwatch.channels.push import push_service

    why_not = NumberRules(settings.numbers).why_not
    if channel is notices.Channel.WHATSAPP and settings.whatsapp.configured:
        return _in_a_row(settings, allowances, [WhatsAppChannel(settings.twilio, settings.whatsapp, why_not=why_not)])
    if channel is notices.Channel.VOICE and settings.voice.configured:
        return _in_a_row(settings, allowances, [VoiceChannel(settings.twilio, settings.voice, why_not=why_not)])
    if channel is notices.Channel.PUSH and settings.push.configured:
        return Guarded(PushChannel(settings.push), settings.guard, lane=push_service)
    if channel is notices.Channel.WEBHOOK and settings.webhook.configured:
        return _in_a_row(settings, allowances, [WebhookChannel(settings.webhook)])
    return None


def _in_a_row(settings: Settings, allowances: dict[str, Allowance], providers: Sequence[Channel]) -> Channel:
    """Each spared by a guard of its own; the next steps in while the one before is down."""
    for one in providers:
        allowances.setdefault(one.provider, Allowance.of(one, settings.guard))
    guarded = [Guarded(one, settings.guard, allowance=allowances[one.provider]) for one in providers]
    return Chain(*guarded) if len(guarded) > 1 else guarded[0]


def build_channels(settings: Settings, database: Database, clock: Clock) -> list[Channel]:
    """One way to send per enabled channel: the configured provider, else the local inbox."""
    save = inbox.saver(database, clock)
    allowances: dict[str, Allowance] = {}
    return [
        build_provider(settings, channel, allowances) or InboxChannel(channel.value, save)
        for channel in sorted(settings.channels)
    ]


def build_senders(settings: Settings, channels: Sequence[Channel], database: Database, clock: Clock) -> list[Sender]:
    """One sender per channel, all with one renderer."""
    renderer, hands = build_renderer(settings), Hands()
    return [
        Sender(
            channel,
            database,
            clock,
            settings.senders,
            caps=settings.caps,
            enabled=settings.channels,
            frontend_url=settings.notices.frontend_url,
            write=renderer.message,
            hands=hands,
        )
        for channel in channels
    ]


def build_renderer(settings: Settings) -> Renderer:
    """Puts notices into words; reads and checks every template. Raises TemplateFault."""
    from slotwatch.channels.mail import parse_sender
    from slotwatch.outbox.render import Renderer

    sender = settings.smtp.sender
    organizer = parse_sender(sender).address if sender else ""
    return Renderer(
        settings.templates,
        tokens=build_notice_tokens(settings),
        organizer=organizer,
        app_url=settings.webhook.url,
    )


def build_notice_tokens(settings: Settings) -> NoticeTokens:
    """Signs the links to countdown and calendar file, with a key that all processes with our signing key share."""
    from slotwatch.outbox.notice_tokens import NoticeTokens

    return NoticeTokens(build_signer(settings).derived_key("notice tokens"))


def build_worker(settings: Settings, database: Database, clock: Clock, *, on_moved: Callable[[], None]) -> Worker:
    """The engine's loop; `on_moved` is called when there is something to tell."""
    channels, louder_after = settings.channels, settings.notices.louder_after
    duties = Duties(
        Advancer(settings.advance, channels, clock, louder_after=louder_after),
        Auditor(channels, clock, louder_after=louder_after),
        Cleaner(clock),
        build_heart("engine", database, clock),
    )
    return Worker(database, clock, duties, on_moved)


def build_heart(component: Component, database: Database, clock: Clock) -> Heart:
    """The heartbeat of this process."""
    return Heart(component, database, clock)


def build_watch(settings: Settings, database: Database, clock: Clock) -> Watch:
    """Raises and resolves alerts; every kind of process runs one."""
    return Watch(database, settings.channels, clock, settings.caps)


def build_digest(settings: Settings, database: Database, clock: Clock) -> Digest:
    """Writes the morning's mails to vendors."""
    return Digest(database, clock, settings.channels, no_shows_by_station, often=settings.notices.digest)


def build_hints(database: Database, clock: Clock) -> Hints:
    """Tells other processes that something is due."""
    return Hints(database, clock)


def build_listener(database: Database, clock: Clock, worker: Worker, senders: Sequence[Sender]) -> Listener:
    """Wakes worker and senders when another process hints."""
    return Listener(database, clock, [worker.wake, *(sender.wake for sender in senders)])


def build_desk(settings: Settings, database: Database, clock: Clock, hint: Callable[[datetime], None]) -> Desk:
    """What the use cases work with."""
    from slotwatch.channels.numbers import NumberRules
    from slotwatch.usecases.desk import ContactRules

    contact = ContactRules(verified_only=settings.senders.verified_only, code_sms_cap=settings.caps.code_sms_cap)
    if settings.twilio.configured or settings.twilio2.configured:  # the local inbox takes every number
        contact = replace(contact, why_not_number=NumberRules(settings.numbers).why_not)
    return Desk(database, clock, settings.booking, settings.channels, hint, contact)


def build_receivers(settings: Settings, database: Database, clock: Clock) -> Receivers | None:
    """Who may report how messages fared; None when nobody is configured."""
    from slotwatch.channels.receipts_postmark import PostmarkReceipts
    from slotwatch.channels.receipts_ses import SesReceipts
    from slotwatch.channels.receipts_twilio import TwilioReceipts
    from slotwatch.outbox.receipts import ReceiptBook
    from slotwatch.web.api.webhooks import Receivers

    translators: dict[str, Translator] = {}
    accounts = [one for one in (settings.twilio, settings.twilio2) if one.configured]
    if accounts:
        translators["twilio"] = TwilioReceipts(accounts)
    if settings.receipts.configured:
        translators |= {"ses": SesReceipts(settings.receipts), "postmark": PostmarkReceipts(settings.receipts)}
    if not translators:
        return None
    ours = settings.notices.frontend_url.rstrip("/")
    told = [one.status_callback_url for one in accounts if one.status_callback_url is not None]
    addresses = {name: [*told, f"{ours}/api/webhooks/{name}"] for name in translators}
    return Receivers(ReceiptBook(database, clock, settings.channels), translators, addresses)


def build_signer(settings: Settings) -> TokenSigner:
    """What signs our own tokens; its key file is made on first use. Raises BadSigningKey."""
    from slotwatch.web.auth import load_signer

    return load_signer(settings.web, settings.data_dir)


def build_web(settings: Settings, desk: Desk, town: TownGuide | None = None) -> Litestar:
    """The web application; `town` adds the page of the demo town."""
    # A worker needs no web framework.
    from slotwatch.outbox.preview import FreshRenderer
    from slotwatch.web.app import create_app
    from slotwatch.web.pages.notices import notice_pages, preview_pages
    from slotwatch.web.pages.start import Link
    from slotwatch.web.pages.town import town_pages

    of_town = Link("Demo town", "/town", "Every booking of the demo town as it lives and dies; take part")
    receivers = build_receivers(settings, desk.database, desk.clock)
    app = create_app(
        settings.web,
        desk,
        signer=build_signer(settings),
        has_inbox=not (settings.smtp.configured and settings.twilio.configured),
        links=[of_town] if town else [],
        receivers=receivers,
        background=[receivers.book.run] if receivers else [],
        frontend_url=settings.notices.frontend_url,
        push=settings.push,
    )
    pages = notice_pages(desk, build_notice_tokens(settings), settings.notices.frontend_url)
    pages += preview_pages(FreshRenderer(settings.templates), settings.notices.frontend_url)
    for page in [*pages, *(town_pages(desk, town) if town else [])]:
        app.register(page)
    return app
