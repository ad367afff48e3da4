"""The vendor's pages: the live board, the numbers, and everything that is set up."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

from slotwatch.web.pages.vendor.alerts import ALERT_PAGES
from slotwatch.web.pages.vendor.board import BOARD_PAGES
from slotwatch.web.pages.vendor.booking import BOOKING_PAGES, CONTACT_PAGES
from slotwatch.web.pages.vendor.connectors import CONNECTOR_PAGES
from slotwatch.web.pages.vendor.disputes import DISPUTE_PAGES
from slotwatch.web.pages.vendor.insights import INSIGHTS_PAGES
from slotwatch.web.pages.vendor.posters import POSTER_PAGES
from slotwatch.web.pages.vendor.screen import SCREEN_LINK_PAGES, SCREEN_PAGES
from slotwatch.web.pages.vendor.staff import STAFF_PAGES
from slotwatch.web.pages.vendor.stations import STATION_PAGES
from slotwatch.web.pages.vendor.terms import TERMS_PAGES

__all__ = ["BAY_PAGES", "MANAGER_PAGES", "OWNER_PAGES", "VENDOR_PAGES"]

VENDOR_PAGES: Sequence[HTTPRouteHandler] = (
    *BOARD_PAGES,
    *BOOKING_PAGES,
)
"""For all of a vendor's staff."""

MANAGER_PAGES: Sequence[HTTPRouteHandler] = (
    *CONTACT_PAGES,
    *INSIGHTS_PAGES,
    *STATION_PAGES,
    *CONNECTOR_PAGES,
    *POSTER_PAGES,
    *SCREEN_LINK_PAGES,
    *TERMS_PAGES,
    *DISPUTE_PAGES,
    *ALERT_PAGES,
)
"""For owners and managers."""

OWNER_PAGES: Sequence[HTTPRouteHandler] = (*STAFF_PAGES,)
"""For owners."""

BAY_PAGES: Sequence[HTTPRouteHandler] = (*SCREEN_PAGES,)
"""For the screens of bays, by their links."""
