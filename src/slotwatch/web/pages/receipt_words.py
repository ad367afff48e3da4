"""What a provider reported of a message, in words: the same on every page that shows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slotwatch.domain.notices import Channel

__all__ = ["receipt_words", "reported_at"]


def reported_at(row: Mapping[str, Any]) -> datetime:
    """When it happened by the provider's own clock, else when the report came in."""
    found: datetime = row["happened_at"] or row["at"]
    return found


def receipt_words(row: Mapping[str, Any]) -> str:
    """What became of the message, without when and by whom.

    >>> mail = {"channel": "email", "heard": False}
    >>> receipt_words({**mail, "status": "failed", "error": "the mail bounced (Permanent): 550 no such user"})
    'bounced (Permanent): 550 no such user'
    >>> receipt_words({**mail, "status": "delivered", "error": "the recipient marked the mail as spam"})
    'delivered; the recipient marked the mail as spam'
    """
    error, is_call = row["error"], row["channel"] == Channel.VOICE
    if row["heard"]:
        return "heard: a key was pressed"
    match row["status"]:
        case "delivered":
            words = "delivered: a person answered" if is_call else "delivered"
            return f"{words}; {error}" if error else words
        case "sent":
            return "the call was taken; nobody knows by whom" if is_call else "sent on, and not known to have arrived"
        case _ if error and error.startswith("the mail bounced"):
            return str(error.removeprefix("the mail "))
        case _:
            return f"not delivered: {error or 'the provider gave no reason'}"
