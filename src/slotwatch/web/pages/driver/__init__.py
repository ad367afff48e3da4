"""The driver's pages: sign in, find a slot, book, be there in time, and see why a booking ended as it did."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

__all__ = ["DRIVER_PAGES", "OPEN_PAGES"]

OPEN_PAGES: Sequence[HTTPRouteHandler] = ()
"""For anyone: signing in, finding a station, the page behind a scanned code or a link in a message."""

DRIVER_PAGES: Sequence[HTTPRouteHandler] = ()
"""For a driver who is signed in."""
