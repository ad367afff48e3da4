"""What messages show when they are opened: the countdown picture and the calendar file; and the preview of them all."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State as AppState
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import booking_ref
from slotwatch.domain.lifecycle import State
from slotwatch.locale.catalogues import LANGUAGES, best_language, language
from slotwatch.outbox.calendar import calendar_file, entry_of
from slotwatch.outbox.countdown import countdown_of, draw_countdown
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.outbox.preview import Previewed, previews
from slotwatch.outbox.render import Renderer
from slotwatch.outbox.template_check import TemplateFault
from slotwatch.storage.statements import load_sql
from slotwatch.usecases.desk import Desk
from slotwatch.web.contract import read_query
from slotwatch.web.pages.inbox import GUARDS
from slotwatch.web.pages.rendering import page

__all__ = ["notice_pages", "preview_pages"]

_BOOKING = load_sql(__package__, "notices.sql")
# A mail program may not keep the picture (RFC 9111), and a mail on another site may show it.
_FRESH = {"Cache-Control": "no-store, max-age=0", "Cross-Origin-Resource-Policy": "cross-origin"}
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"
    " allow-popups-to-escape-sandbox; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


class MailQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Whose wording is shown, everybody's or a vendor's."""

    vendor: str | None = None


class PreviewQuery(MailQuery):
    """And in which language."""

    language: str = LANGUAGES[0]


def notice_pages(desk: Desk, tokens: NoticeTokens, frontend_url: str) -> list[HTTPRouteHandler]:
    """What the links in messages open without asking who looks: whoever holds the mail holds the token."""

    async def booking(token: str) -> Mapping[str, Any]:
        booking_id = tokens.booking_id(token)
        async with desk.database.connection() as conn:
            row = await _BOOKING.fetchrow(conn, booking_id=booking_id, now=desk.clock.fixed)
        if row is None:
            raise NotFound
        found: Mapping[str, Any] = row
        return found

    @get("/notices/{token:str}/countdown.png", include_in_schema=False)
    async def show_countdown(token: FromPath[str]) -> Response[bytes]:
        """GET /notices/…/countdown.png: the time left now; a tick once the driver is there."""
        row = await booking(token)
        shown = countdown_of(
            State(row["state"]), starts_at=row["starts_at"], grace_ends_at=row["grace_ends_at"], now=row["now"]
        )
        picture = await asyncio.to_thread(draw_countdown, shown)
        return Response(picture, media_type="image/png", headers=_FRESH)

    @get("/notices/{token:str}/booking.ics", include_in_schema=False)
    async def show_calendar_file(token: FromPath[str]) -> Response[str]:
        """GET /notices/…/booking.ics: the booking for any calendar, cancelled when it is lost."""
        row = await booking(token)
        ref = booking_ref(row["booking_id"])
        link = f"{frontend_url.rstrip('/')}/bookings/{ref}"
        spoken = best_language(row["preferences"].get("language"), row["vendor_language"])
        entry = entry_of(row, spoken, link=link, stamp=row["now"])
        is_lost = State(row["state"]) in (State.CANCELLED, State.EXPIRED, State.VOIDED)
        headers = {"Content-Disposition": f'attachment; filename="{ref}.ics"'}
        text = calendar_file(entry, "CANCEL" if is_lost else "PUBLISH")
        return Response(text, media_type="text/calendar", headers=headers)

    return [show_countdown, show_calendar_file]


def preview_pages(renderer: Callable[[], Renderer], frontend_url: str) -> list[HTTPRouteHandler]:
    """All kinds of messages in all languages, for eyes on this machine. `renderer` knows the wording as it is now."""

    @get("/inbox/preview", include_in_schema=False, guards=[*GUARDS])
    async def show_previews(request: Request[object, object, AppState]) -> Response[str]:
        """GET /inbox/preview?language=…&vendor=…: every message, or what is wrong with own wording."""
        query = read_query(request, PreviewQuery)
        languages = [(known, language(known).name) for known in LANGUAGES]
        fault, vendors, shown = "", list[str](), list[Previewed]()
        try:
            vendors, shown = await asyncio.to_thread(previewed, query.language, query.vendor)
        except TemplateFault as error:
            fault = error.message
        return page(
            "preview.html",
            previews=shown,
            fault=fault,
            code=query.language,
            vendor=query.vendor,
            languages=languages,
            vendors=vendors,
        )

    @get("/inbox/preview/{code:str}/{number:int}", include_in_schema=False, guards=[*GUARDS])
    async def show_preview(
        request: Request[object, object, AppState], code: FromPath[str], number: FromPath[int]
    ) -> Response[str]:
        """GET /inbox/preview/de/3?vendor=…: the HTML of one mail, in a sandbox that runs and loads nothing."""
        vendor = read_query(request, MailQuery).vendor
        try:
            _, shown = await asyncio.to_thread(previewed, code, vendor)
        except TemplateFault:
            raise NotFound from None
        found = [one for one in shown if one.number == number]
        if not found:
            raise NotFound
        headers = {"Content-Security-Policy": _MAIL_POLICY, "X-Frame-Options": "SAMEORIGIN"}
        return Response(found[0].html, media_type="text/html", headers=headers)

    def previewed(code: str, vendor: str | None) -> tuple[list[str], list[Previewed]]:
        """Who has wording of their own, and all messages. Raises NotFound and TemplateFault."""
        if code not in LANGUAGES:
            raise NotFound(f"There are no messages in this language. There are: {', '.join(LANGUAGES)}.")
        fresh = renderer()
        vendors = fresh.vendors()
        if vendor is not None and vendor not in vendors:
            raise NotFound("This vendor has no wording of its own.")
        return vendors, previews(fresh, code, vendor=vendor, frontend_url=frontend_url)

    return [show_previews, show_preview]
