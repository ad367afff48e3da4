"""Plays bookings on a movable clock, with a real PostgreSQL and the real engine: told stories, and whole towns."""
