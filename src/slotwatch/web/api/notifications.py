"""How the driver who calls wants to be told."""

import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get, put
from litestar.handlers import HTTPRouteHandler

from slotwatch.storage.preferences import load_preferences, save_preferences
from slotwatch.usecases.desk import Desk
from slotwatch.web.api.shapes import In
from slotwatch.web.contract import ApiRequest, Operation, declared, read_body, reply
from slotwatch.web.once import Answer, once
from slotwatch.web.problems import FieldError, FieldsRefused

__all__ = ["NOTIFICATION_ROUTES", "Preferences", "check_quiet_hours", "read_preferences"]

_PATH = "/api/users/me/notifications"
_WallTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]


class ChannelSwitches(In):
    """Which channels may be used."""

    email: bool = True
    sms: bool = True
    whatsapp: bool | msgspec.UnsetType = msgspec.UNSET  # where they are configured; on unless switched off
    voice: bool | msgspec.UnsetType = msgspec.UNSET


class QuietHours(In):
    """No messages that can wait, between these wall times in that zone; may run past midnight."""

    start: _WallTime
    end: _WallTime
    time_zone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Preferences(In):
    """Channels, language (BCP 47) and quiet hours; a PUT replaces all of it."""

    channels: ChannelSwitches = msgspec.field(default_factory=ChannelSwitches)
    language: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] = "en"
    quiet_hours: QuietHours | None = None


@get(_PATH, opt=declared(Operation("See how you are told", Preferences, "Drivers")))
async def show_preferences(request: ApiRequest) -> Response[bytes]:
    """GET /api/users/me/notifications."""
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        return reply(read_preferences(await load_preferences(conn, request.user.subject)))


@put(_PATH, opt=declared(Operation("Choose how you are told", Preferences, "Drivers", body=Preferences)))
async def choose_preferences(request: ApiRequest) -> Response[bytes]:
    """PUT /api/users/me/notifications."""
    wanted = await read_body(request, Preferences)
    check_quiet_hours(wanted.quiet_hours)
    desk: Desk = request.app.state.desk

    async def work() -> Answer:
        async with desk.database.connection() as conn:
            await save_preferences(conn, request.user.subject, msgspec.to_builtins(wanted), now=desk.clock.fixed)
        return Answer.of(200, wanted)

    async def recall() -> Answer | None:
        return None  # writing the same again changes nothing

    return await once(request, work, recall)


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


NOTIFICATION_ROUTES: tuple[HTTPRouteHandler, ...] = (show_preferences, choose_preferences)
