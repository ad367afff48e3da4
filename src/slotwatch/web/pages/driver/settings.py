"""A driver's settings: addresses proven by a code, channels, language, quiet hours, name; sign out everywhere."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler

from slotwatch.channels.push import PushSettings
from slotwatch.domain.errors import Conflict, ContactNeeded, InvalidInput, SlotwatchError, TooManyCodes
from slotwatch.domain.notices import Channel
from slotwatch.locale.catalogues import LANGUAGES, best_language, language
from slotwatch.storage.accounts import (
    driver_with,
    end_sessions_of_driver,
    find_driver_by_id,
    rename_driver,
    verified_at,
)
from slotwatch.storage.people import Driver
from slotwatch.storage.preferences import keep_proven_address, load_reach
from slotwatch.usecases.addresses import prove_code
from slotwatch.usecases.browsers import forget_browser, keep_browser
from slotwatch.usecases.contact import choose_how_told
from slotwatch.usecases.desk import Desk
from slotwatch.web.api.notifications import (
    BrowserIn,
    BrowserOut,
    Preferences,
    check_quiet_hours,
    read_preferences,
    why_not_sent,
)
from slotwatch.web.contact import checked_name
from slotwatch.web.contract import read_body, read_query
from slotwatch.web.pages.driver.booking_words import CHANNEL_WORDS
from slotwatch.web.pages.driver.sign_in import checked_address, send_code
from slotwatch.web.pages.forms import read_form
from slotwatch.web.pages.shell import show
from slotwatch.web.problems import status_of
from slotwatch.web.sealed import Seals
from slotwatch.web.visitors import PageRequest, Visitor, forget_cookie, go, session_cookie

__all__ = ["SETTINGS_PAGES"]

_COOKIE = "slotwatch_address"
_PURPOSE = "new address"
_LASTS = timedelta(minutes=15)
_ALWAYS = ("email", "sms")
_LOUDER = ("push", "whatsapp", "voice")


class SettingsQuery(msgspec.Struct):
    """What was just done, for a word about it."""

    done: Annotated[str, msgspec.Meta(max_length=20)] = ""


class NameForm(msgspec.Struct):
    """How to call the driver; empty: not at all."""

    name: str = ""


class NotificationsForm(msgspec.Struct):
    """As PUT /api/users/me/notifications, one field each. A box that is not ticked is not sent."""

    email: str = ""
    sms: str = ""
    push: str = ""
    whatsapp: str = ""
    voice: str = ""
    language: str = ""
    quiet: str = ""
    quiet_start: str = ""
    quiet_end: str = ""
    quiet_zone: str = ""


class AddressForm(msgspec.Struct):
    """A new address."""

    address: str = ""


class CodeForm(msgspec.Struct):
    """The code that came there."""

    code: str = ""


class NewAddress(msgspec.Struct):
    """What the sealed cookie holds while the code is on its way."""

    driver_id: int
    channel: Channel
    address: str
    code: int = 0


@dataclass(frozen=True)
class _Address:
    """An address on the page."""

    kind: str
    value: str | None
    is_proven: bool
    why_not: tuple[str, ...]


@get("/settings", include_in_schema=False)
async def show_settings(request: PageRequest) -> Response[Any]:
    """GET /settings."""
    done = read_query(request, SettingsQuery).done
    words = {
        "name": "Your name is saved.",
        "told": "Saved: from now on you are told like this.",
        "address": "The address is proven and used from now on.",
    }
    return await _page(request, done=words.get(done, ""))


@post("/settings/name", include_in_schema=False)
async def save_name(request: PageRequest) -> Response[Any]:
    """POST /settings/name."""
    form = await read_form(request, NameForm)
    desk: Desk = request.app.state.desk
    try:
        name = checked_name(form.name) if form.name else None
    except ValueError as error:
        return await _page(request, error=InvalidInput(f"{str(error).capitalize()}."))
    async with desk.database.connection() as conn:
        await rename_driver(conn, _visitor(request).driver_id, name)
    return go("/settings?done=name")


@post("/settings/notifications", include_in_schema=False)
async def save_notifications(request: PageRequest) -> Response[Any]:
    """POST /settings/notifications."""
    form = await read_form(request, NotificationsForm)
    desk: Desk = request.app.state.desk
    switches = {name: bool(getattr(form, name)) for name in _switches(desk)}
    given: dict[str, Any] = {"channels": switches, "language": form.language or None, "quietHours": None}
    if form.quiet:
        given["quietHours"] = {"start": form.quiet_start, "end": form.quiet_end, "timeZone": form.quiet_zone}
    try:
        wanted = _wanted(given)
    except InvalidInput as error:
        return await _page(request, error=error)
    subject = _visitor(request).session.subject
    assert subject is not None, "a driver has one"
    try:
        await choose_how_told(desk, subject, msgspec.to_builtins(wanted))
    except ContactNeeded as error:
        return await _page(request, error=error)
    return go("/settings?done=told")


@post("/settings/address", include_in_schema=False)
async def ask_for_address(request: PageRequest) -> Response[Any]:
    """POST /settings/address: send a code there."""
    form = await read_form(request, AddressForm)
    try:
        channel, address = checked_address(form.address)
        number = await send_code(request, channel, address)
    except (InvalidInput, TooManyCodes) as error:
        return await _page(request, error=error)
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        ends_at = await desk.clock.now(conn) + _LASTS
    new = NewAddress(_visitor(request).driver_id, channel, address, number)
    sealed = _seals(request).seal(_PURPOSE, new, ends_at=ends_at)
    return go("/settings/address", cookies=[_cookie(request, sealed, max_age=int(_LASTS.total_seconds()))])


@get("/settings/address", include_in_schema=False)
async def show_address(request: PageRequest) -> Response[Any]:
    """GET /settings/address: which code came."""
    new = await _new_address(request)
    return go("/settings") if new is None else _code_page(request, new)


@post("/settings/address/code", include_in_schema=False)
async def prove_address(request: PageRequest) -> Response[Any]:
    """POST /settings/address/code: proven, it is this driver's, unless it signs somebody else in."""
    new = await _new_address(request)
    if new is None:
        return go("/settings")
    desk: Desk = request.app.state.desk
    code = (await read_form(request, CodeForm)).code
    key: bytes = request.app.state.code_key
    if await prove_code(desk, new.channel, new.address, code[:40], key=key, numbers=[new.code]) is None:
        return _code_page(request, new, has_failed=True)
    async with desk.database.transaction() as conn:
        owner = await driver_with(conn, new.channel, new.address)
        if owner is None or owner.id == new.driver_id:
            await keep_proven_address(conn, new.driver_id, new.channel, new.address, now=desk.clock.fixed)
            return go("/settings?done=address", cookies=[_cookie(request, "", max_age=0)])
    return await _page(request, error=Conflict("This address signs in to another account of yours already."))


@post("/settings/browsers", include_in_schema=False)
async def add_browser(request: PageRequest) -> Response[Any]:
    """POST /settings/browsers: by the page's script, when the browser has subscribed."""
    given = (await read_body(request, BrowserIn)).subscription
    push: PushSettings = request.app.state.push
    driver_id = _visitor(request).driver_id
    await keep_browser(request.app.state.desk, driver_id, msgspec.to_builtins(given), push=push)
    return Response(None, status_code=204)


@post("/settings/browsers/forget", include_in_schema=False)
async def drop_browser(request: PageRequest) -> Response[Any]:
    """POST /settings/browsers/forget: by the page's script. One that is not there is gone already."""
    given = await read_body(request, BrowserOut)
    subject = _visitor(request).session.subject
    assert subject is not None, "a driver has one"
    await forget_browser(request.app.state.desk, subject, given.endpoint)
    return Response(None, status_code=204)


@post("/settings/sign-out-everywhere", include_in_schema=False)
async def sign_out_everywhere(request: PageRequest) -> Response[Any]:
    """POST /settings/sign-out-everywhere: every browser, this one too."""
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        await end_sessions_of_driver(conn, _visitor(request).driver_id)
    return go("/sign-in", cookies=[forget_cookie(request)])


async def _page(request: PageRequest, *, done: str = "", error: SlotwatchError | None = None) -> Response[Any]:
    desk: Desk = request.app.state.desk
    driver_id = _visitor(request).driver_id
    async with desk.database.connection() as conn:
        driver = await find_driver_by_id(conn, driver_id)
        proven = await verified_at(conn, driver_id)
        reach = await load_reach(conn, driver.subject)
    chosen = read_preferences(driver.preferences)
    switches = msgspec.to_builtins(chosen.channels)
    return show(
        request,
        "driver/settings.html",
        status=200 if error is None else status_of(type(error)),
        done=done,
        error=None if error is None else error.message,
        driver=driver,
        addresses=_addresses(driver, {channel for channel, at in proven.items() if at}, why_not_sent(reach)),
        switches=[(name, CHANNEL_WORDS[name], switches.get(name, True)) for name in _switches(desk)],
        languages=[(code, language(code).name) for code in LANGUAGES],
        spoken="" if chosen.language is None else best_language(chosen.language).code,
        quiet=chosen.quiet_hours,
        push_key=request.app.state.push.public_key,
    )


def _addresses(driver: Driver, proven: set[Channel], why_not: dict[Channel, str]) -> list[_Address]:
    by_phone = tuple(words for channel, words in why_not.items() if channel is not Channel.EMAIL)
    by_mail = tuple(words for channel, words in why_not.items() if channel is Channel.EMAIL)
    return [
        _Address("E-mail", driver.email, Channel.EMAIL in proven, by_mail),
        _Address("Phone", driver.phone, Channel.SMS in proven, by_phone),
    ]


def _wanted(given: dict[str, Any]) -> Preferences:
    """As the API would take it. Raises InvalidInput with a sentence."""
    try:
        wanted = msgspec.convert(given, Preferences)
    except msgspec.ValidationError as error:
        what = "Quiet hours need a start, an end and a time zone" if re.search("quiet", str(error)) else str(error)
        raise InvalidInput(f"{what}.") from error
    check_quiet_hours(wanted.quiet_hours)
    return wanted


def _switches(desk: Desk) -> list[str]:
    """Which channels a driver can switch off here."""
    on = {channel.value for channel in desk.channels}
    return [name for name in (*_ALWAYS, *_LOUDER) if name in on or name in _ALWAYS]


def _code_page(request: PageRequest, new: NewAddress, *, has_failed: bool = False) -> Response[str]:
    return show(
        request,
        "driver/settings_code.html",
        status=422 if has_failed else 200,
        address=new.address,
        is_mail=new.channel is Channel.EMAIL,
        has_failed=has_failed,
        has_inbox=request.app.state.has_inbox,
    )


async def _new_address(request: PageRequest) -> NewAddress | None:
    """What the visitor's own cookie holds."""
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
    new = _seals(request).read(_PURPOSE, request.cookies.get(_COOKIE), NewAddress, now=now)
    return new if new is not None and new.driver_id == _visitor(request).driver_id else None


def _visitor(request: PageRequest) -> Visitor:
    visitor: Visitor = request.scope["user"]
    return visitor


def _seals(request: PageRequest) -> Seals:
    seals: Seals = request.app.state.seals
    return seals


def _cookie(request: PageRequest, value: str, *, max_age: int) -> Cookie:
    cookie = session_cookie(request, value, max_age=max_age)
    cookie.key, cookie.path = _COOKIE, "/settings"
    return cookie


SETTINGS_PAGES: tuple[HTTPRouteHandler, ...] = (
    *(show_settings, save_name, save_notifications),
    *(ask_for_address, show_address, prove_address, add_browser, drop_browser, sign_out_everywhere),
)
