"""The local inbox: what would have been sent if a provider were configured, newest first."""

import msgspec
from litestar import Request, Response, get
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.domain.errors import NotFound
from slotwatch.storage.inbox import StoredMessage, message, messages
from slotwatch.usecases.desk import Desk
from slotwatch.web.addresses import is_this_machine, leads_to_this_machine
from slotwatch.web.contract import RowId, read_query
from slotwatch.web.pages.rendering import page

__all__ = ["INBOX_ROUTES"]

_PAGE_SIZE = 50
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_HTML_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox allow-popups"
    " allow-popups-to-escape-sandbox; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


class InboxQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Only messages older than `before`."""

    before: RowId | None = None


def _only_this_machine(connection: ASGIConnection[object, object, object, State], _: BaseRouteHandler) -> None:
    """Messages are private: unless opened by a setting, they are there for browsers on this machine alone.

    The Host header is looked at too: a foreign page can make its own name point to this machine (DNS rebinding). And a
    proxy on this machine looks like a browser on it: so nothing is shown once people reach the pages at an address of
    the world, or where a header tells of a proxy.
    """
    state = connection.app.state
    if state.inbox_open:
        return
    client = connection.scope["client"]
    is_near = client is not None and is_this_machine(client[0]) and is_this_machine(connection.base_url.hostname or "")
    came_through_proxy = any(name in connection.headers for name in _OF_PROXIES)
    if not is_near or came_through_proxy or not leads_to_this_machine(state.frontend_url):
        raise NotFound


@get("/inbox", include_in_schema=False)
async def show_inbox(request: Request[object, object, State]) -> Response[str]:
    """GET /inbox."""
    return await _listed(request, "inbox.html")


@get("/inbox/list", include_in_schema=False)
async def show_inbox_list(request: Request[object, object, State]) -> Response[str]:
    """GET /inbox/list: only the list, for the script that keeps it fresh."""
    return await _listed(request, "inbox_list.html")


@get("/inbox/{message_id:int}", include_in_schema=False)
async def show_message(request: Request[object, object, State], message_id: FromPath[int]) -> Response[str]:
    """GET /inbox/{id}."""
    return page("message.html", message=await _message(request, message_id))


@get("/inbox/{message_id:int}/html", include_in_schema=False)
async def show_message_html(request: Request[object, object, State], message_id: FromPath[int]) -> Response[str]:
    """GET /inbox/{id}/html: the HTML of a mail, as it came, in a sandbox that runs and loads nothing."""
    found = await _message(request, message_id)
    if found.html is None:
        raise NotFound
    headers = {"Content-Security-Policy": _HTML_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return Response(found.html, media_type="text/html", headers=headers)


async def _listed(request: Request[object, object, State], template: str) -> Response[str]:
    query = read_query(request, InboxQuery)
    desk: Desk = request.app.state.desk
    async with desk.database.connection() as conn:
        found = await messages(conn, limit=_PAGE_SIZE + 1, before=query.before, with_codes=_shows_codes(request))
    shown = found[:_PAGE_SIZE]
    older = shown[-1].id if len(found) > len(shown) else None
    return page(template, messages=shown, older=older, is_first=query.before is None)


async def _message(request: Request[object, object, State], message_id: int) -> StoredMessage:
    desk: Desk = request.app.state.desk
    if not 0 < message_id < 2**63:
        raise NotFound
    async with desk.database.connection() as conn:
        found = await message(conn, message_id, with_codes=_shows_codes(request))
    if found is None:
        raise NotFound("There is no such message. Messages are kept for 7 days.")
    return found


def _shows_codes(request: Request[object, object, State]) -> bool:
    """Who could read a code here could sign in as anybody: fine while everybody is on this machine."""
    return leads_to_this_machine(request.app.state.frontend_url)


INBOX_ROUTES: tuple[HTTPRouteHandler, ...] = (show_inbox, show_inbox_list, show_message, show_message_html)
GUARDS = (_only_this_machine,)
