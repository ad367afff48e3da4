"""The frame of the pages of drivers, vendors and operators: who is signed in, where they can go, the proof of forms."""

from collections.abc import Mapping
from dataclasses import dataclass

from litestar import Response

from slotwatch.web.pages.rendering import page
from slotwatch.web.visitors import Door, PageRequest, Visitor

__all__ = ["Way", "show", "ways_of"]


@dataclass(frozen=True)
class Way:
    """One entry of the navigation, for those to whom the door is open."""

    title: str
    href: str
    door: Door


_WAYS = (
    Way("Find a slot", "/stations", Door.DRIVER),
    Way("My bookings", "/bookings", Door.DRIVER),
    Way("Settings", "/settings", Door.DRIVER),
    Way("Board", "/vendor", Door.VENDOR),
    Way("Insights", "/vendor/insights", Door.MANAGER),
    Way("Alerts", "/vendor/alerts", Door.MANAGER),
    Way("Disputes", "/vendor/disputes", Door.MANAGER),
    Way("Stations", "/vendor/stations", Door.MANAGER),
    Way("Terms", "/vendor/terms", Door.MANAGER),
    Way("Staff", "/vendor/staff", Door.OWNER),
    Way("Operator", "/operator", Door.OPERATOR),
)
_WAYS_OF_NOBODY = (Way("Find a slot", "/stations", Door.ANYONE), Way("Sign in", "/sign-in", Door.ANYONE))


def ways_of(visitor: Visitor | None) -> tuple[Way, ...]:
    """The navigation of a visitor."""
    if visitor is None:
        return _WAYS_OF_NOBODY
    return tuple(way for way in _WAYS if visitor.may_pass(way.door))


def show(
    request: PageRequest,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> Response[str]:
    """The template, which extends `app.html` or is a part of such a page, with what the frame needs."""
    visitor: Visitor | None = request.scope.get("user")
    here = request.scope["path"]
    ways = ways_of(visitor)
    fitting = [way.href for way in ways if here == way.href or here.startswith(f"{way.href}/")]
    return page(
        template,
        status=status,
        headers=headers,
        visitor=visitor,
        csrf=visitor.csrf if visitor else "",
        ways=ways,
        current=max(fitting, key=len, default=""),
        **values,
    )
