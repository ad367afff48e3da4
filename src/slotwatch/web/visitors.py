"""Who looks at a page: the session behind the cookie, which doors are open to it, and proof that a form is ours.

A page's POST must come from our own page: the browser says so (`Sec-Fetch-Site`, else `Origin`), and who is signed in
sends the session's own `csrf` along, as a form field or the header `X-CSRF`. The API takes no cookie and is left alone.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

from litestar import Request, Response
from litestar.datastructures import Cookie, State

from slotwatch.domain.errors import NotFound
from slotwatch.domain.staff import StaffRole
from slotwatch.storage.sessions import SignedIn, find_session
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.vendor_bookings import Staff
from slotwatch.web.problems import ForbiddenRole, ForeignForm
from slotwatch.web.ways_back import way_back

__all__ = [
    "SESSION_COOKIE",
    "Door",
    "PageRequest",
    "Visitor",
    "forget_cookie",
    "go",
    "let_in",
    "safe_next",
    "session_cookie",
    "visitor_of",
]

SESSION_COOKIE = "slotwatch_session"
_SAFE_METHODS = ("GET", "HEAD")

PageRequest: TypeAlias = Request[Any, Any, State]


class Door(StrEnum):
    """Whom a page is for. What is not for you looks absent."""

    ANYONE = "anyone"  # signed in or not
    DRIVER = "driver"
    VENDOR = "vendor"  # any of a vendor's staff
    MANAGER = "manager"  # a vendor's owner or manager
    OWNER = "owner"
    OPERATOR = "operator"


class Visitor:
    """Somebody signed in. `csrf` goes into each form of theirs."""

    def __init__(self, session: SignedIn, csrf: str) -> None:
        self.session = session
        self.csrf = csrf

    @property
    def name(self) -> str:
        """How the pages greet them; may be empty."""
        return self.session.name

    @property
    def driver_id(self) -> int:
        """The driver's number; only where the door let a driver in."""
        assert self.session.driver_id is not None
        return self.session.driver_id

    @property
    def vendor_id(self) -> int:
        """The vendor's number; only where the door let a vendor's staff in."""
        assert self.session.vendor_id is not None
        return self.session.vendor_id

    @property
    def staff(self) -> Staff:
        """As use cases name who acts for a vendor."""
        return Staff(self.vendor_id, f"staff-{self.session.staff_id}")

    @property
    def role(self) -> StaffRole | None:
        """What they may do for their vendor or operator; None for drivers."""
        return self.session.staff_role

    def may_pass(self, door: Door) -> bool:
        """Whether that door is open to them."""
        role = self.role
        match door:
            case Door.ANYONE:
                return True
            case Door.DRIVER:
                return self.session.driver_id is not None
            case Door.VENDOR:
                return role is not None and role is not StaffRole.OPERATOR
            case Door.MANAGER:
                return role is not None and role.may_manage
            case Door.OWNER:
                return role is StaffRole.OWNER
            case Door.OPERATOR:
                return role is StaffRole.OPERATOR


def let_in(door: Door) -> Callable[[PageRequest], Awaitable[Response[Any] | None]]:
    """A `before_request` hook for pages: who may not pass is asked to sign in, or told that there is nothing.

    Puts the Visitor, or None, into the request's `user`; refuses unsafe requests that are not from our own forms.
    """

    async def look(request: PageRequest) -> Response[Any] | None:
        visitor = await visitor_of(request)
        request.scope["user"] = visitor
        if request.method not in _SAFE_METHODS:
            _check_origin(request, must_be_said=visitor is None and door is Door.ANYONE)
            if visitor is not None:
                await _check_csrf(request, visitor)
        if door is Door.ANYONE:
            return None
        if visitor is None:
            return _ask_to_sign_in(request)
        if not visitor.may_pass(door):
            if door in (Door.MANAGER, Door.OWNER) and visitor.may_pass(Door.VENDOR):
                raise ForbiddenRole("This page is for managers. Ask an owner of your company to let you in.")
            raise NotFound
        return None

    return look


async def visitor_of(request: PageRequest) -> Visitor | None:
    """Who is signed in, by the cookie; None: nobody."""
    token = request.cookies.get(SESSION_COOKIE)
    if not token or len(token) > 200:
        return None
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        session = await find_session(conn, token, now=desk.clock.fixed)
    if session is None:
        return None
    return Visitor(
        session, hmac.new(request.app.state.page_key, session.token_hash.encode(), hashlib.sha256).hexdigest()
    )


def session_cookie(request: PageRequest, token: str, *, max_age: int) -> Cookie:
    """The cookie of a new session: for our pages alone, unreadable by scripts, never sent along from other sites."""
    return Cookie(
        key=SESSION_COOKIE,
        value=token,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_https(request),
    )


def forget_cookie(request: PageRequest) -> Cookie:
    """What makes the browser forget the session."""
    return session_cookie(request, "", max_age=0)


def go(path: str, *, cookies: list[Cookie] | None = None) -> Response[None]:
    """To another page of ours after a POST, so that loading it again sends nothing twice (303)."""
    return Response(None, status_code=303, headers={"Location": path}, cookies=cookies or [])


def safe_next(text: str | None, otherwise: str) -> str:
    """A path of ours to go on to; anything that could lead elsewhere is `otherwise`."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")) or len(text) > 500:
        return otherwise
    parts = urlsplit(text)
    clean = not parts.scheme and not parts.netloc and not any(c in text for c in "\\\r\n\t")
    return text if clean else otherwise


def _ask_to_sign_in(request: PageRequest) -> Response[Any]:
    target = f"/sign-in?next={quote(way_back(request), safe='/')}"
    if request.headers.get("hx-request") == "true":  # a part of a page: the whole page must go
        return Response(None, status_code=401, headers={"HX-Redirect": target})
    return go(target)


def _check_origin(request: PageRequest, *, must_be_said: bool) -> None:
    """Every browser sends one of the two headers with a form; who is signed in proves it by `csrf` besides."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise ForeignForm
        return
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", ""), urlsplit(request.app.state.frontend_url).netloc}
    if must_be_said if origin is None else urlsplit(origin).netloc not in ours:
        raise ForeignForm


async def _check_csrf(request: PageRequest, visitor: Visitor) -> None:
    given = request.headers.get("x-csrf") or (await request.form()).get("csrf") or ""
    if not hmac.compare_digest(str(given).encode(), visitor.csrf.encode()):
        raise ForeignForm


def _is_https(request: PageRequest) -> bool:
    return str(request.app.state.frontend_url).startswith("https://")
