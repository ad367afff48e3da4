"""How the driver who calls wants to be told, where they can be reached, and the browsers that show them messages."""

import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from slotwatch.channels.push import PushSettings
from slotwatch.domain.errors import ContactNeeded, NotFound
from slotwatch.domain.notices import Channel
from slotwatch.storage.people import ensure_driver
from slotwatch.storage.preferences import Reach, load_reach
from slotwatch.usecases.browsers import forget_browser, keep_browser
from slotwatch.usecases.contact import choose_how_told
from slotwatch.usecases.desk import Desk
from slotwatch.web.api.shapes import In, Out
from slotwatch.web.contract import ApiRequest, Operation, declared, read_body, reply
from slotwatch.web.once import Answer, nothing_to_recall, once
from slotwatch.web.problems import FieldError, FieldsRefused

__all__ = [
    "NOTIFICATION_ROUTES",
    "BrowserIn",
    "BrowserOut",
    "Preferences",
    "check_quiet_hours",
    "read_preferences",
    "why_not_sent",
]

_PATH = "/api/users/me/notifications"
_WallTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
_Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
_Endpoint = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]*$", max_length=2048)]
_CONFIGURED = (Channel.PUSH, Channel.WHATSAPP, Channel.VOICE)


class ChannelSwitches(In):
    """Which channels may be used: the last three where they are configured; on unless switched off."""

    email: bool = True
    sms: bool = True
    push: bool | msgspec.UnsetType = msgspec.UNSET
    whatsapp: bool | msgspec.UnsetType = msgspec.UNSET
    voice: bool | msgspec.UnsetType = msgspec.UNSET


class QuietHours(In):
    """No messages that can wait, between these wall times in that zone; may run past midnight."""

    start: _WallTime
    end: _WallTime
    time_zone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Preferences(In):
    """A PUT replaces channels, language (BCP 47; null: the station's) and quiet hours; the rest of an answer that is
    sent back changes nothing."""

    channels: ChannelSwitches = msgspec.field(default_factory=ChannelSwitches)
    language: _Language | None = None
    quiet_hours: QuietHours | None = None
    addresses: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    push: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class AddressOut(Out):
    """One address. `suppressed` says by channel, in words, why nothing is sent there any more."""

    address: str
    verified: bool
    suppressed: dict[Channel, str] = msgspec.field(default_factory=dict)


class PushOut(Out):
    """Web push: the key that a browser subscribes with, and how many of the driver's browsers did."""

    public_key: str
    browsers: int


class NotificationsOut(Out):
    """How the driver is told, and where. `push` is null where web push is not configured."""

    channels: ChannelSwitches
    language: str | None
    quiet_hours: QuietHours | None
    addresses: dict[str, AddressOut]  # email, sms
    push: PushOut | None


class BrowserKeys(In):
    """The browser's keys, as it gives them."""

    p256dh: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]*$", max_length=200)]
    auth: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]*$", max_length=100)]


class PushSubscription(In):
    """What `PushManager.subscribe()` answers, as `toJSON()` writes it."""

    endpoint: _Endpoint
    keys: BrowserKeys
    expiration_time: float | None = None


class BrowserIn(In):
    """A browser that wants to be told."""

    subscription: PushSubscription


class BrowserOut(In):
    """A browser that no longer wants to be told."""

    endpoint: _Endpoint


@get(_PATH, opt=declared(Operation("See how you are told", NotificationsOut, "Drivers")))
async def show_preferences(request: ApiRequest) -> Response[bytes]:
    """GET /api/users/me/notifications."""
    return reply(await _seen(request))


@put(
    _PATH,
    opt=declared(
        Operation("Choose how you are told", NotificationsOut, "Drivers", body=Preferences, errors=(ContactNeeded,))
    ),
)
async def choose_preferences(request: ApiRequest) -> Response[bytes]:
    """PUT /api/users/me/notifications."""
    wanted = await read_body(request, Preferences)
    check_quiet_hours(wanted.quiet_hours)
    chosen = msgspec.structs.replace(wanted, addresses=msgspec.UNSET, push=msgspec.UNSET)
    desk: Desk = request.app.state.desk

    async def work() -> Answer:
        await choose_how_told(desk, request.user.subject, msgspec.to_builtins(chosen))
        return Answer.of(200, await _seen(request))

    return await once(request, work, nothing_to_recall)


@post(
    f"{_PATH}/push",
    opt=declared(Operation("Be told in this browser", NotificationsOut, "Drivers", body=BrowserIn, errors=(NotFound,))),
)
async def add_push(request: ApiRequest) -> Response[bytes]:
    """POST /api/users/me/notifications/push."""
    given = (await read_body(request, BrowserIn)).subscription
    desk: Desk = request.app.state.desk

    async def work() -> Answer:
        async with desk.database.connection() as conn:
            driver = await ensure_driver(conn, request.user.subject, now=await desk.clock.now(conn))
        await keep_browser(desk, driver.id, msgspec.to_builtins(given), push=request.app.state.push)
        return Answer.of(200, await _seen(request))

    return await once(request, work, nothing_to_recall)


@delete(
    f"{_PATH}/push",
    status_code=200,
    opt=declared(Operation("No longer be told in a browser", NotificationsOut, "Drivers", body=BrowserOut)),
)
async def drop_push(request: ApiRequest) -> Response[bytes]:
    """DELETE /api/users/me/notifications/push. A browser that is not there is gone already."""
    given = await read_body(request, BrowserOut)

    async def work() -> Answer:
        await forget_browser(request.app.state.desk, request.user.subject, given.endpoint)
        return Answer.of(200, await _seen(request))

    return await once(request, work, nothing_to_recall)


async def _seen(request: ApiRequest) -> NotificationsOut:
    desk: Desk = request.app.state.desk
    settings: PushSettings = request.app.state.push
    async with desk.database.connection() as conn:
        reach = await load_reach(conn, request.user.subject)
    chosen = read_preferences(reach.preferences)
    switches = {
        channel.value: getattr(chosen.channels, channel.value) is not False
        for channel in _CONFIGURED
        if channel in desk.channels
    }
    key = settings.public_key
    return NotificationsOut(
        channels=ChannelSwitches(email=chosen.channels.email, sms=chosen.channels.sms, **switches),
        language=chosen.language,
        quiet_hours=chosen.quiet_hours,
        addresses=_addresses(reach),
        push=None if key is None else PushOut(public_key=key, browsers=reach.browsers),
    )


def why_not_sent(reach: Reach) -> dict[Channel, str]:
    """By channel, in words, why nothing is sent to an address of the driver any more."""
    return {
        Channel(channel): f"Nothing is sent there by {channel} any more: {reason}"
        for channel, reason in reach.suppressed.items()
    }


def _addresses(reach: Reach) -> dict[str, AddressOut]:
    found: dict[str, AddressOut] = {}
    if reach.email:
        found["email"] = AddressOut(address=reach.email, verified=reach.email_verified)
    if reach.phone:
        found["sms"] = AddressOut(address=reach.phone, verified=reach.phone_verified)
    for channel, text in why_not_sent(reach).items():
        found["email" if channel is Channel.EMAIL else "sms"].suppressed[channel] = text
    return found


def read_preferences(stored: dict[str, Any]) -> Preferences:
    """What was stored; what cannot be read (an older program's) counts as not chosen."""
    try:
        return msgspec.convert(stored, Preferences)
    except msgspec.ValidationError:
        return Preferences()


def check_quiet_hours(quiet: QuietHours | None) -> None:
    """Raise FieldsRefused for a zone that is none, and for hours that never end."""
    if quiet is None:
        return
    try:
        datetime.datetime(2026, 1, 1, tzinfo=ZoneInfo(quiet.time_zone)).utcoffset()
    except (OSError, ValueError, KeyError) as error:
        raise FieldsRefused(
            FieldError("quietHours.timeZone", "an IANA time zone is needed, such as Europe/Vienna")
        ) from error
    if quiet.start == quiet.end:
        raise FieldsRefused(FieldError("quietHours", "start and end are the same"))


NOTIFICATION_ROUTES: tuple[HTTPRouteHandler, ...] = (show_preferences, choose_preferences, add_push, drop_push)
