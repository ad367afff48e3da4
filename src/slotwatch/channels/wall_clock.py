"""The one wall clock of the channels, for stamps that another machine compares with its own; nothing decides by it."""

from datetime import UTC, datetime

__all__ = ["wall_clock"]


def wall_clock() -> datetime:
    """The present instant in UTC, as this machine believes it."""
    return datetime.now(UTC)  # noqa: TID251  signatures say when they were made, and no connection is at hand
