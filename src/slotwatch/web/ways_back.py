"""The way on after an answer that was no page. Forms are sent to the address of their own page, or to one below it."""

import re
from typing import Any
from urllib.parse import quote

from litestar import Request

__all__ = ["methods_at", "page_above", "way_back"]

_PARAMETER = re.compile(r"\\\{[^/]+\\\}")


def way_back(request: Request[Any, Any, Any]) -> str:
    """The address that was asked for, with its query, if a page is there; else the nearest page above it."""
    path = _path(request)
    if "GET" not in methods_at(request, path):
        return page_above(request)
    query = request.scope["query_string"].decode("latin-1")
    return quote(path) + (f"?{query}" if query else "")


def page_above(request: Request[Any, Any, Any]) -> str:
    """The nearest page above the address that was asked for; above all of them is the start."""
    above, _, _ = _path(request).rpartition("/")
    while above and "GET" not in methods_at(request, above):
        above, _, _ = above.rpartition("/")
    return quote(above) or "/"


def methods_at(request: Request[Any, Any, Any], path: str) -> set[str]:
    """What can be done with that address."""
    fitting = (
        route
        for route in request.app.routes
        if re.fullmatch(_PARAMETER.sub("[^/]+", re.escape(route.path_format)), path)
    )
    return {method for route in fitting for method in getattr(route, "methods", ())}


def _path(request: Request[Any, Any, Any]) -> str:
    """With one stroke at its beginning, so that it cannot name another host, and none at its end."""
    return "/" + request.scope["path"].strip("/")
