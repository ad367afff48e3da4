"""A driver's browser that wants to be told by web push, or no longer: called by the settings page's script."""

from typing import Any

import msgspec
from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from slotwatch.usecases.browsers import forget_browser, keep_browser
from slotwatch.web.api.notifications import BrowserIn, BrowserOut
from slotwatch.web.contract import read_body
from slotwatch.web.visitors import PageRequest, Visitor

__all__ = ["PUSH_PAGES"]


@post("/settings/push", include_in_schema=False)
async def keep_push(request: PageRequest) -> Response[Any]:
    """POST /settings/push: what the browser's subscription says, as JSON."""
    given = await read_body(request, BrowserIn)
    await keep_browser(
        request.app.state.desk,
        _visitor(request).driver_id,
        msgspec.to_builtins(given.subscription),
        push=request.app.state.push,
    )
    return Response(None, status_code=204)


@post("/settings/push/off", include_in_schema=False)
async def drop_push(request: PageRequest) -> Response[Any]:
    """POST /settings/push/off: the browser's endpoint, as JSON."""
    given = await read_body(request, BrowserOut)
    subject = _visitor(request).session.subject
    assert subject is not None, "a driver has one"
    await forget_browser(request.app.state.desk, subject, given.endpoint)
    return Response(None, status_code=204)


def _visitor(request: PageRequest) -> Visitor:
    visitor: Visitor = request.scope["user"]
    return visitor


PUSH_PAGES: tuple[HTTPRouteHandler, ...] = (keep_push, drop_push)
