"""Webhooks to the operator's own app, signed as Standard Webhooks (standardwebhooks.com).

| answer | outcome |
|---|---|
| 2xx | Accepted; the `provider_id` is the `webhook-id`, which is the delivery's key and the same on every try |
| 410 | Refused, suppress: the app does not want this, now or later |
| 429, 503 | Failed, not before `Retry-After` |
| 408, 5xx | Failed |
| a redirect, any other 4xx | Failed: an app that is being deployed or repaired answers so, too |
| an address that is not public, a URL that will not do | Refused |
| no connection, no answer in time | Failed; uncertain when the request had begun to go out |
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, Final

import msgspec

from slotwatch.channels.addresses import UnfitUrlError, read_url
from slotwatch.channels.channel import Accepted, ChannelName, Failed, Message, Outcome, Refused
from slotwatch.channels.egress import Answer, Egress, Resolve
from slotwatch.channels.retry_after import retry_after
from slotwatch.channels.wall_clock import wall_clock

__all__ = ["WebhookChannel", "WebhookSettings", "signature"]

_PREFIX: Final = "whsec_"
_LARGEST_BODY: Final = 64 * 1024
_SAFE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}\Z")


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the operator's app listens, how webhooks are signed and sent."""

    ENV: ClassVar[dict[str, str]] = {
        "url": "SLOTWATCH_WEBHOOK_URL",
        "secret": "SLOTWATCH_WEBHOOK_SECRET",
        "timeout_seconds": "SLOTWATCH_WEBHOOK_TIMEOUT_SECONDS",
        "connections": "SLOTWATCH_WEBHOOK_CONNECTIONS",
        "allow_loopback": "SLOTWATCH_WEBHOOK_ALLOW_LOOPBACK",
    }

    url: str | None = None
    secret: str | None = None  # whsec_…; while it is being replaced two, separated by a space, the new one first
    timeout_seconds: float = 10.0
    connections: int = 8
    allow_loopback: bool = False  # http to this machine itself, for a trial

    def __post_init__(self) -> None:
        if not 0 < self.timeout_seconds <= 600:
            raise ValueError("SLOTWATCH_WEBHOOK_TIMEOUT_SECONDS must be above 0 and at most 600")
        if not 1 <= self.connections <= 100:
            raise ValueError("SLOTWATCH_WEBHOOK_CONNECTIONS must be between 1 and 100")
        if self.secret is not None:
            self.keys  # noqa: B018  raises when the secret will not do
        if self.url is None:
            return
        if self.secret is None:
            raise ValueError("SLOTWATCH_WEBHOOK_SECRET must be set, too, so that your app can tell who calls it")
        try:
            read_url(self.url, allow_loopback=self.allow_loopback)
        except UnfitUrlError as error:
            raise ValueError(f"SLOTWATCH_WEBHOOK_URL cannot be called: {error}") from error

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What is signed with, one or two. Raises ValueError with a sentence."""
        keys = tuple(_key(secret) for secret in (self.secret or "").split())
        if not 1 <= len(keys) <= 2:
            raise ValueError("SLOTWATCH_WEBHOOK_SECRET must be one secret, or two while it is being replaced")
        return keys

    @property
    def configured(self) -> bool:
        """Whether there is an app to call, and a secret to sign with."""
        return self.url is not None and self.secret is not None

    def __repr__(self) -> str:
        return f"WebhookSettings(url={self.url!r}, secret=***, allow_loopback={self.allow_loopback!r})"


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX).encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("SLOTWATCH_WEBHOOK_SECRET must be whsec_ and 24 to 64 random bytes in base64")
    return key


class WebhookChannel:
    """Calls the operator's app; `to` is its URL."""

    name: ChannelName = "webhook"
    provider = "webhook"
    has_key = True  # the webhook-id

    def __init__(
        self, settings: WebhookSettings, *, now: Callable[[], datetime] = wall_clock, ask: Resolve | None = None
    ) -> None:
        if settings.secret is None:
            raise ValueError("SLOTWATCH_WEBHOOK_SECRET must be set to call the operator's app")
        self.concurrency = settings.connections
        self._settings = settings
        self._now = now
        self._egress = Egress(
            what="webhook", connections=settings.connections, allow_loopback=settings.allow_loopback, ask=ask
        )

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds or the configured ones if those are fewer."""
        try:
            target = read_url(message.to, allow_loopback=self._settings.allow_loopback)
        except UnfitUrlError as error:
            return Refused(str(error))
        now = self._now()
        try:
            body = _body(message, now)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            return Refused(f"the facts cannot be written as JSON: {type(error).__name__}")
        if len(body) > _LARGEST_BODY:
            return Refused(f"a webhook has at most {_LARGEST_BODY} bytes, this one has {len(body)}")
        identity = _identity(message.key)
        stamp = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(signature(key, identity, stamp, body) for key in self._settings.keys),
        }
        allowed = min(timeout, self._settings.timeout_seconds)
        answer = await self._egress.post(target, headers, body, timeout=allowed)
        return _outcome(answer, identity, target.host) if isinstance(answer, Answer) else answer

    async def check(self) -> str | None:
        """There is no one place to ask: every vendor's app is its own."""
        return None

    async def close(self) -> None:
        """Close all connections; again is harmless."""
        await self._egress.close()


def signature(key: bytes, identity: str, stamp: str, body: bytes) -> str:
    """One entry of `webhook-signature` (Standard Webhooks, symmetric): over id, timestamp and the very bytes sent."""
    signed = f"{identity}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _identity(key: str) -> str:
    return key if _SAFE_ID.match(key) else hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _body(message: Message, now: datetime) -> bytes:
    """`type`, `timestamp` and `data`, as Standard Webhooks recommends."""
    data = {
        **message.facts,
        "subject": message.subject,
        "text": message.text,
        "lang": message.lang,
        "url": message.url,
    }
    return msgspec.json.encode({"type": message.kind or "notice", "timestamp": now, "data": data})


def _outcome(answer: Answer, identity: str, host: str) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Accepted(identity)
    said = f"{host} answered {status}"
    if status == 410:
        return Refused(f"{said}: it does not want to be called any more", suppress=True)
    if 300 <= status < 400:
        return Failed(f"{said}: redirects are not followed")
    wait = retry_after(answer.headers.get("retry-after"), answer.headers.get("date"))
    return Failed(said, wait, down=status in {429, 502, 503, 504})
