"""The driver's pages: sign in, find a slot, book, be there in time, and see why a booking ended as it did."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

from slotwatch.web.pages.driver.bookings import BOOKING_PAGES
from slotwatch.web.pages.driver.evidence import EVIDENCE_PAGES
from slotwatch.web.pages.driver.finding import FINDING_PAGES
from slotwatch.web.pages.driver.moves import MOVE_PAGES
from slotwatch.web.pages.driver.scanning import SCANNING_PAGES
from slotwatch.web.pages.driver.settings import SETTINGS_PAGES
from slotwatch.web.pages.driver.sign_in import SIGN_IN_PAGES

__all__ = ["DRIVER_PAGES", "OPEN_PAGES"]

OPEN_PAGES: Sequence[HTTPRouteHandler] = (*SIGN_IN_PAGES, *FINDING_PAGES, *SCANNING_PAGES)
"""For anyone: signing in, finding a station, the page behind a scanned code or a link in a message."""

DRIVER_PAGES: Sequence[HTTPRouteHandler] = (*(*BOOKING_PAGES, *MOVE_PAGES, *EVIDENCE_PAGES, *SETTINGS_PAGES),)
"""For a driver who is signed in."""
