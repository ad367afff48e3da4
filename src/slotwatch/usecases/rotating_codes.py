"""Codes on the screens of bays that change every half minute: who sends one has just looked at the screen."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

__all__ = ["CHANGES_EVERY", "RotatingCodes"]

CHANGES_EVERY = timedelta(seconds=30)
_BYTES = 9


class RotatingCodes:
    """Makes and checks the codes with a key that every process shares; nothing is stored."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("the key of rotating codes needs at least 32 bytes")
        self._key = key

    def code(self, connector_id: int, now: datetime) -> str:
        """What the screen of that connector shows at `now`."""
        return self._at(connector_id, _turn(now))

    def is_fresh(self, connector_id: int, code: str, now: datetime) -> bool:
        """Whether the screen shows that code, or did until less than half a minute ago: people are not that quick."""
        turn = _turn(now)
        known = [self._at(connector_id, one) for one in (turn, turn - 1)]
        return any([hmac.compare_digest(code.encode(), one.encode()) for one in known])

    def _at(self, connector_id: int, turn: int) -> str:
        digest = hmac.digest(self._key, f"slotwatch screen {connector_id} {turn}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:_BYTES]).decode()


def _turn(now: datetime) -> int:
    return int(now.timestamp() // CHANGES_EVERY.total_seconds())
