"""The vendor's pages: the live board, the numbers, and everything that is set up."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

from slotwatch.web.pages.vendor.screen import SCREEN_PAGES

__all__ = ["MANAGER_PAGES", "OWNER_PAGES", "VENDOR_PAGES"]

VENDOR_PAGES: Sequence[HTTPRouteHandler] = (*SCREEN_PAGES,)
"""For all of a vendor's staff."""

MANAGER_PAGES: Sequence[HTTPRouteHandler] = ()
"""For owners and managers."""

OWNER_PAGES: Sequence[HTTPRouteHandler] = ()
"""For owners."""
