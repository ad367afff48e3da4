"""slotwatch watches EV-charging bookings from confirmation to completion."""

__version__ = "0.1.0"
