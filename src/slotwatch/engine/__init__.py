"""Moves bookings when their time comes: advance, audit, clean; the scheduler face; the worker loop."""
