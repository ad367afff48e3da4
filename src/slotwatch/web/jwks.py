"""The public keys of an OIDC issuer: fetched when needed, kept for a while, bounded in size, number and time."""

import asyncio
from typing import Any

import httpx
import msgspec
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from slotwatch.domain.errors import Unavailable
from slotwatch.storage.clock import monotonic

__all__ = ["Jwks"]

_log = structlog.get_logger(__name__)

_FRESH_SECONDS = 600.0
_PATIENCE_SECONDS = 30.0  # a token with an unknown key id asks the issuer again at most this often
_MOST_BYTES = 262_144
_MOST_KEYS = 64
_ASYMMETRIC = ("RSA", "EC", "OKP")


class Jwks:
    """The key set behind `url`, or behind the discovery document of `issuer`. Close it."""

    def __init__(self, *, issuer: str | None, url: str | None) -> None:
        self._issuer = issuer
        self._url = url
        self._keys = KeySet([])
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()
        self._client = httpx.AsyncClient(timeout=5, follow_redirects=False)

    async def keys(self, kid: str | None) -> KeySet:
        """The keys, fetched again when old or when none is named `kid`. Raises Unavailable when there are none yet."""
        if self._is_wanted(kid):
            async with self._lock:  # whoever comes while the keys are fetched waits for them
                if self._is_wanted(kid):
                    await self._refresh()
                    self._tried_at = monotonic()
        if self._fetched_at is None:
            raise Unavailable("The keys that sign tokens cannot be fetched at the moment. Try again shortly.")
        return self._keys

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    def _is_wanted(self, kid: str | None) -> bool:
        now = monotonic()
        if self._tried_at is not None and now - self._tried_at < _PATIENCE_SECONDS:
            return False
        is_old = self._fetched_at is None or now - self._fetched_at > _FRESH_SECONDS
        return is_old or (kid is not None and all(key.kid != kid for key in self._keys.keys))

    async def _refresh(self) -> None:
        try:
            url = self._url or await self._discovered()
            document = await self._document(url)
        except (httpx.HTTPError, ValueError) as error:
            _log.warning("the issuer's keys cannot be fetched", action="jwks_failed", error=repr(error)[:300])
            return
        self._keys = KeySet(_usable(document.get("keys")))
        self._fetched_at = monotonic()

    async def _discovered(self) -> str:
        assert self._issuer is not None
        document = await self._document(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.get("jwks_uri")
        if document.get("issuer") != self._issuer or not isinstance(url, str):
            raise ValueError("the discovery document is not that of the issuer")
        return url

    async def _document(self, url: str) -> dict[str, Any]:
        body = bytearray()
        async with self._client.stream("GET", url) as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise ValueError("the document is too long")
        document = msgspec.json.decode(bytes(body))
        if not isinstance(document, dict):
            raise ValueError("the document is not a JSON object")
        return document


def _usable(listed: object) -> list[Any]:
    """The keys that can check a signature; a shared secret in a public document is none."""
    keys = []
    for entry in listed[:_MOST_KEYS] if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") not in _ASYMMETRIC or entry.get("use", "sig") != "sig":
            continue
        try:
            keys.append(JWKRegistry.import_key(entry))
        except (JoseError, ValueError, TypeError, KeyError):
            _log.warning("a key of the issuer cannot be used", action="jwks_key_skipped", kid=entry.get("kid"))
    return keys
