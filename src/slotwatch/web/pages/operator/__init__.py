"""The operator's pages: how slotwatch itself is doing, and what nobody will try again."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

from slotwatch.web.pages.operator.front import FRONT_PAGES
from slotwatch.web.pages.operator.suppressions import SUPPRESSION_PAGES

__all__ = ["OPERATOR_PAGES"]

OPERATOR_PAGES: Sequence[HTTPRouteHandler] = (*FRONT_PAGES, *SUPPRESSION_PAGES)
