"""Small facts that travel through a browser and come back unchanged: signed for one purpose, good for a while."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import Any, TypeVar

import msgspec

__all__ = ["Seals"]

_Fact = TypeVar("_Fact")


class Seals:
    """Signs and reads facts. Anybody who holds one can read it; nobody can make or change one."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, purpose: str, fact: Any, *, ends_at: datetime) -> str:
        """The fact in letters that fit into cookies, forms and links."""
        body = base64.urlsafe_b64encode(msgspec.json.encode((int(ends_at.timestamp()), fact))).decode().rstrip("=")
        return f"{body}.{self._signature(purpose, body)}"

    def read(self, purpose: str, sealed: str | None, kind: type[_Fact], *, now: datetime) -> _Fact | None:
        """The fact; None where it was not sealed by us, for another purpose, or too long ago."""
        body, _, signature = (sealed or "").partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(purpose, body).encode()):
            return None
        try:
            ends_at, fact = msgspec.json.decode(
                base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)),
                type=tuple[int, kind],  # type: ignore[valid-type]  # a type at run time
            )
        except (binascii.Error, ValueError):
            return None
        return fact if now.timestamp() <= ends_at else None

    def _signature(self, purpose: str, body: str) -> str:
        digest = hmac.digest(self._key, f"slotwatch {purpose} {body}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
