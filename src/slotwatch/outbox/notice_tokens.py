"""Signed words in links of messages: they open one booking's countdown and calendar file, and nothing else."""

import base64
import hashlib
import hmac

from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import booking_ref, parse_booking_ref

__all__ = ["NoticeTokens"]

_SIGNATURE_BYTES = 12


class NoticeTokens:
    """Makes and reads tokens with a key that every process shares. A token names a booking and changes nothing."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("the key of notice tokens needs at least 32 bytes")
        self._key = key

    def token(self, booking_id: int) -> str:
        """Such as `BK-6K16K6G00000.q1w2…`."""
        ref = booking_ref(booking_id)
        return f"{ref}.{self._signature(ref)}"

    def booking_id(self, token: str) -> int:
        """The booking of a token that we made. Raises NotFound for any other."""
        ref, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(ref).encode()):
            raise NotFound
        return parse_booking_ref(ref)

    def _signature(self, ref: str) -> str:
        digest = hmac.digest(self._key, b"slotwatch notice " + ref.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()
