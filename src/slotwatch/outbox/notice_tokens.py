"""Signed words in links of messages, each for one booking and one purpose: to look at it, or to check in to it."""

import base64
import hashlib
import hmac

from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import booking_ref, parse_booking_ref

__all__ = ["NoticeTokens"]

_LOOK = b"slotwatch notice "
_CHECK_IN = b"slotwatch check-in "
_SIGNATURE_BYTES = {_LOOK: 12, _CHECK_IN: 9}  # the second stands in text messages, and whoever guesses is online
_ID_BYTES = 8


class NoticeTokens:
    """Makes and reads tokens with a key that every process shares.

    The token of a notice opens a booking's countdown and calendar file. The token of a check-in lets whoever holds the
    message check its driver in, in time, and nothing else: programs that follow links in mails change nothing, for it
    takes a button to be pressed. Neither is good for the other's purpose.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("the key of notice tokens needs at least 32 bytes")
        self._key = key

    def token(self, booking_id: int) -> str:
        """Such as `BK-6K16K6G00000.q1w2…`."""
        ref = booking_ref(booking_id)
        return f"{ref}.{self._signature(_LOOK, ref)}"

    def booking_id(self, token: str) -> int:
        """The booking of a token that we made. Raises NotFound for any other."""
        ref, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(_LOOK, ref).encode()):
            raise NotFound
        return parse_booking_ref(ref)

    def check_in_token(self, booking_id: int) -> str:
        """As `token`, to check in with: 23 letters, because text messages in Devanagari have room for no more."""
        signed = booking_id.to_bytes(_ID_BYTES) + self._digest(_CHECK_IN, booking_ref(booking_id))
        return base64.urlsafe_b64encode(signed).decode().rstrip("=")

    def booking_to_check_in(self, token: str) -> int:
        """The booking of a `check_in_token` that we made. Raises NotFound for any other."""
        if "." in token:  # as they were at first: messages hold them
            ref, _, signature = token.partition(".")
            if not hmac.compare_digest(signature.encode(), self._signature(_CHECK_IN, ref).encode()):
                raise NotFound
            return parse_booking_ref(ref)
        try:
            booking_id = int.from_bytes(base64.urlsafe_b64decode(token + "=")[:_ID_BYTES])
        except ValueError:
            raise NotFound from None
        if not hmac.compare_digest(token, self.check_in_token(booking_id)):
            raise NotFound
        return booking_id

    def _signature(self, purpose: bytes, ref: str) -> str:
        return base64.urlsafe_b64encode(self._digest(purpose, ref)).decode()

    def _digest(self, purpose: bytes, ref: str) -> bytes:
        return hmac.digest(self._key, purpose + ref.encode(), hashlib.sha256)[: _SIGNATURE_BYTES[purpose]]
