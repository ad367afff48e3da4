"""Every call of the vendor API, to be guarded by the role `vendor`."""

from litestar.handlers import HTTPRouteHandler

from slotwatch.web.api.alerts import VENDOR_ALERT_ROUTES
from slotwatch.web.api.vendor_bookings import VENDOR_BOOKING_ROUTES
from slotwatch.web.api.vendor_dashboard import DASHBOARD_ROUTES
from slotwatch.web.api.vendor_stations import SETUP_ROUTES

__all__ = ["VENDOR_ROUTES"]

VENDOR_ROUTES: tuple[HTTPRouteHandler, ...] = (
    *DASHBOARD_ROUTES,
    *VENDOR_BOOKING_ROUTES,
    *SETUP_ROUTES,
    *VENDOR_ALERT_ROUTES,
)
