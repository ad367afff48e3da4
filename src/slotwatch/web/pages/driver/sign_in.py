"""Signing in and out, for drivers, vendors' staff and operators alike: an address, a code that goes there, a session.

What was typed on one page travels to the next in a sealed cookie that only /sign-in sees. No answer tells whether an
address is known: each gets a code, and whoever proves an unknown one becomes a new driver.
"""

from datetime import timedelta
from typing import Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler

from slotwatch.domain.errors import Conflict, InvalidInput, SlotwatchError, TooManyCodes
from slotwatch.domain.notices import Channel
from slotwatch.domain.staff import StaffRole
from slotwatch.locale.catalogues import best_language
from slotwatch.storage.sessions import LONGEST_STAY, end_session
from slotwatch.usecases.addresses import prove_code, request_code
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.sign_in import ProvenAddress, accounts_of, sign_in_driver, sign_in_staff
from slotwatch.web.contact import checked_email, checked_phone
from slotwatch.web.contract import read_query
from slotwatch.web.pages.forms import read_form
from slotwatch.web.pages.shell import show
from slotwatch.web.problems import status_of
from slotwatch.web.sealed import Seals
from slotwatch.web.visitors import PageRequest, Visitor, forget_cookie, go, safe_next, session_cookie

__all__ = ["SIGN_IN_PAGES", "checked_address", "send_code"]

_COOKIE = "slotwatch_sign_in"
_PURPOSE = "sign in"
_LASTS = timedelta(minutes=15)
_MOST_CODES = 5


class Asked(msgspec.Struct):
    """What the sealed cookie holds: the address, where to go on to, the numbers of the codes that this browser asked
    for, and which of them proved the address."""

    channel: Channel
    address: str
    next: str = ""
    codes: tuple[int, ...] = ()
    proof: int | None = None


class AddressForm(msgspec.Struct):
    """An e-mail address or a phone number."""

    address: str = ""
    next: str = ""


class CodeForm(msgspec.Struct):
    """The code that was sent."""

    code: str = ""


class ChoiceForm(msgspec.Struct):
    """As whom to go on, where an address opens two accounts."""

    who: Literal["staff", "driver"]


class SignInQuery(msgspec.Struct):
    """Where to go on to afterwards."""

    next: str = ""


@get("/sign-in", include_in_schema=False)
async def show_sign_in(request: PageRequest) -> Response[Any]:
    """GET /sign-in: which address."""
    target = safe_next(read_query(request, SignInQuery).next, "")
    visitor: Visitor | None = request.scope.get("user")
    if visitor is not None and not target:
        return go(_home(visitor.role))
    return _address_page(request, target)


@post("/sign-in", include_in_schema=False)
async def ask_for_code(request: PageRequest) -> Response[Any]:
    """POST /sign-in: send a code there."""
    form = await read_form(request, AddressForm)
    target = safe_next(form.next, "")
    try:
        channel, address = checked_address(form.address)
        number = await send_code(request, channel, address)
    except (InvalidInput, TooManyCodes) as error:
        return _address_page(request, target, typed=form.address, error=error)
    before = await _asked(request)
    codes = before.codes if before is not None and before.address == address and before.proof is None else ()
    return await _sealed(
        request, "/sign-in/code", Asked(channel, address, target, (*codes[-_MOST_CODES + 1 :], number))
    )


@get("/sign-in/code", include_in_schema=False)
async def show_code(request: PageRequest) -> Response[Any]:
    """GET /sign-in/code: which code came."""
    asked = await _asked(request)
    return go("/sign-in") if asked is None else _code_page(request, asked)


@post("/sign-in/code", include_in_schema=False)
async def check_code(request: PageRequest) -> Response[Any]:
    """POST /sign-in/code: the right one opens the account of that address."""
    asked = await _asked(request)
    if asked is None:
        return go("/sign-in")
    desk: Desk = request.app.state.desk
    code = (await read_form(request, CodeForm)).code
    key: bytes = request.app.state.code_key
    asked.proof = await prove_code(desk, asked.channel, asked.address, code[:40], key=key, numbers=asked.codes)
    if asked.proof is None:
        return _code_page(request, asked, has_failed=True)
    member, driver = await accounts_of(desk, ProvenAddress(asked.channel, asked.address, asked.proof))
    if member is not None and (driver is not None or _is_drivers(asked.next)):
        return await _sealed(request, "/sign-in/choose", asked)
    return await _open(request, asked, asked.proof, "driver" if member is None else "staff")


@get("/sign-in/choose", include_in_schema=False)
async def show_choice(request: PageRequest) -> Response[Any]:
    """GET /sign-in/choose: as staff or as a driver."""
    asked = await _asked(request)
    if asked is None or asked.proof is None:
        return go("/sign-in")
    proven = ProvenAddress(asked.channel, asked.address, asked.proof)
    member, driver = await accounts_of(request.app.state.desk, proven)
    if member is None:  # of the staff no longer; a look at a page signs nobody in
        return go("/sign-in")
    return show(request, "driver/sign_in_choose.html", member=member, driver=driver)


@post("/sign-in/choose", include_in_schema=False)
async def choose(request: PageRequest) -> Response[Any]:
    """POST /sign-in/choose."""
    asked = await _asked(request)
    if asked is None or asked.proof is None:
        return go("/sign-in")
    who = (await read_form(request, ChoiceForm)).who
    try:
        return await _open(request, asked, asked.proof, who)
    except Conflict:
        return go("/sign-in")


@post("/sign-out", include_in_schema=False)
async def sign_out(request: PageRequest) -> Response[Any]:
    """POST /sign-out: this browser only."""
    visitor: Visitor | None = request.scope.get("user")
    if visitor is not None:
        desk: Desk = request.app.state.desk
        async with desk.database.connection() as conn:
            await end_session(conn, visitor.session.token_hash)
    return go("/", cookies=[forget_cookie(request)])


def checked_address(text: str) -> tuple[Channel, str]:
    """What was typed as an e-mail address or a phone number in E.164. Raises InvalidInput with a sentence."""
    try:
        if "@" in text:
            return Channel.EMAIL, checked_email(text)
        return Channel.SMS, checked_phone("".join(letter for letter in text if letter not in " -()/.\u00a0"))
    except ValueError as error:
        sentence = (
            str(error) if "@" in text else "That is neither an e-mail address nor a phone number with country code"
        )
        raise InvalidInput(f"{sentence.rstrip('.')}. Such as mira@example.org or +43 660 1234567.") from error


async def send_code(request: PageRequest, channel: Channel, address: str) -> int:
    """The number of a code for that address. Raises InvalidInput where the channel is off, and TooManyCodes."""
    return await request_code(
        request.app.state.desk,
        channel,
        address,
        key=request.app.state.code_key,
        caller=request.client.host if request.client else "",
        language=best_language(*_spoken(request)).code,
    )


async def _open(request: PageRequest, asked: Asked, proof: int, who: Literal["staff", "driver"]) -> Response[Any]:
    desk: Desk = request.app.state.desk
    proven = ProvenAddress(asked.channel, asked.address, proof)
    member, _ = await accounts_of(desk, proven)
    if who == "staff":
        token = await sign_in_staff(desk, proven)
        home = _home(member.role if member else None)
        return await _signed_in(request, token, home if _is_drivers(asked.next) else asked.next or home)
    token = await sign_in_driver(desk, proven)
    return await _signed_in(request, token, asked.next or _home(None))


async def _signed_in(request: PageRequest, token: str, target: str) -> Response[Any]:
    """A new session always has a new token, and the one before it in this browser ends."""
    visitor: Visitor | None = request.scope.get("user")
    if visitor is not None:
        desk: Desk = request.app.state.desk
        async with desk.database.connection() as conn:
            await end_session(conn, visitor.session.token_hash)
    cookies = [
        session_cookie(request, token, max_age=int(LONGEST_STAY.total_seconds())),
        _sign_in_cookie(request, "", max_age=0),
    ]
    return go(target, cookies=cookies)


def _is_drivers(target: str) -> bool:
    """Whether somebody was about to do what drivers do: staff may, too, and then become a driver beside."""
    return bool(target) and not target.startswith(("/vendor", "/operator"))


def _home(role: StaffRole | None) -> str:
    if role is None:
        return "/bookings"
    return "/operator" if role is StaffRole.OPERATOR else "/vendor"


def _spoken(request: PageRequest) -> list[str]:
    """What the browser says that its owner reads, the best first."""
    header = request.headers.get("accept-language", "")[:200]
    return [part.partition(";")[0].strip() for part in header.split(",")]


async def _asked(request: PageRequest) -> Asked | None:
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
    return _seals(request).read(_PURPOSE, request.cookies.get(_COOKIE), Asked, now=now)


async def _sealed(request: PageRequest, path: str, asked: Asked) -> Response[Any]:
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        ends_at = await desk.clock.now(conn) + _LASTS
    sealed = _seals(request).seal(_PURPOSE, asked, ends_at=ends_at)
    return go(path, cookies=[_sign_in_cookie(request, sealed, max_age=int(_LASTS.total_seconds()))])


def _seals(request: PageRequest) -> Seals:
    seals: Seals = request.app.state.seals
    return seals


def _sign_in_cookie(request: PageRequest, value: str, *, max_age: int) -> Cookie:
    cookie = session_cookie(request, value, max_age=max_age)
    cookie.key, cookie.path = _COOKIE, "/sign-in"
    return cookie


def _address_page(
    request: PageRequest, target: str, *, typed: str = "", error: SlotwatchError | None = None
) -> Response[str]:
    return show(
        request,
        "driver/sign_in.html",
        status=200 if error is None else status_of(type(error)),
        next=target,
        typed=typed[:320],
        error=None if error is None else error.message,
        has_inbox=request.app.state.has_inbox,
        has_sms=Channel.SMS in request.app.state.desk.channels,
    )


def _code_page(request: PageRequest, asked: Asked, *, has_failed: bool = False) -> Response[str]:
    return show(
        request,
        "driver/sign_in_code.html",
        status=422 if has_failed else 200,
        address=asked.address,
        next=asked.next,
        is_mail=asked.channel is Channel.EMAIL,
        has_failed=has_failed,
        has_inbox=request.app.state.has_inbox,
    )


SIGN_IN_PAGES: tuple[HTTPRouteHandler, ...] = (
    *(show_sign_in, ask_for_code, show_code, check_code),
    *(show_choice, choose, sign_out),
)
