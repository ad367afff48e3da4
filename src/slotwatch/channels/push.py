"""Web push to a driver's browser (RFC 8030), encrypted for it alone, with our VAPID name.

| answer of the push service | outcome |
|---|---|
| 200, 201, 202 | Accepted; the `provider_id` is its `Location`, else the delivery's key |
| 404, 410: the subscription is gone | Refused, suppress |
| 400, 413: it will refuse the same again | Refused |
| 403: the subscription was made with another VAPID key | Refused, names the setting |
| 401 | Failed, down, names the setting |
| 429, 5xx | Failed, down, not before `Retry-After` |
| anything else, a redirect | Failed |
| no connection, no answer in time | Failed, down; uncertain when the request had begun to go out |

A browser chooses its push service, so the endpoint is a stranger's URL and goes through `egress.py`. A message of the
same key has the same `Topic` and notification tag: while the first copy waits at the push service a second replaces it.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar, Final

import msgspec

from slotwatch.channels.addresses import Target, UnfitUrlError, read_url
from slotwatch.channels.channel import (
    Accepted,
    ChannelName,
    Failed,
    Message,
    Outcome,
    Refused,
    has_control_characters,
    plain,
)
from slotwatch.channels.egress import Answer, Egress, Resolve
from slotwatch.channels.push_crypto import LONGEST_PAYLOAD, BrowserKeys, VapidKey, encode, encrypt
from slotwatch.channels.retry_after import retry_after
from slotwatch.channels.wall_clock import wall_clock

__all__ = ["PushChannel", "PushSettings", "push_service", "subscription_endpoint"]

_LONGEST_SUBSCRIPTION: Final = 8192
_KEEP: Final = timedelta(hours=4)  # how long a push service holds a message that names no time
_KEEP_AT_MOST: Final = timedelta(days=28)


class PushSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are to push services. Without a key there is no web push."""

    ENV: ClassVar[dict[str, str]] = {
        "private_key": "SLOTWATCH_PUSH_PRIVATE_KEY",
        "contact": "SLOTWATCH_PUSH_CONTACT",
        "timeout_seconds": "SLOTWATCH_PUSH_TIMEOUT_SECONDS",
        "connections": "SLOTWATCH_PUSH_CONNECTIONS",
        "allow_loopback": "SLOTWATCH_PUSH_ALLOW_LOOPBACK",
    }

    private_key: str | None = None  # VAPID: 32 bytes in base64url
    contact: str | None = None  # mailto: or https: address of who runs this
    timeout_seconds: float = 10.0
    connections: int = 8
    allow_loopback: bool = False  # push services on this machine itself, for tests

    def __post_init__(self) -> None:
        if not 0 < self.timeout_seconds <= 600:
            raise ValueError("SLOTWATCH_PUSH_TIMEOUT_SECONDS must be above 0 and at most 600")
        if not 1 <= self.connections <= 100:
            raise ValueError("SLOTWATCH_PUSH_CONNECTIONS must be between 1 and 100")
        if self.private_key is None:
            return
        try:
            VapidKey(self.private_key)
        except ValueError as error:
            raise ValueError("SLOTWATCH_PUSH_PRIVATE_KEY must be the 32 bytes of a VAPID key in base64url") from error
        contact = self.contact or ""
        if not contact.startswith(("mailto:", "https://")) or has_control_characters(contact):
            raise ValueError("SLOTWATCH_PUSH_CONTACT must be a mailto: or https:// address that reaches you")

    @property
    def configured(self) -> bool:
        """Whether there is a key to send by."""
        return self.private_key is not None

    @property
    def public_key(self) -> str | None:
        """What a page gives the browser as `applicationServerKey`."""
        return None if self.private_key is None else VapidKey(self.private_key).public

    def __repr__(self) -> str:
        return f"PushSettings(private_key=***, contact={self.contact!r}, allow_loopback={self.allow_loopback!r})"


class _Keys(msgspec.Struct):
    p256dh: str
    auth: str


class _Subscription(msgspec.Struct):
    """The part of a browser's PushSubscription that we use."""

    endpoint: str
    keys: _Keys


class PushChannel:
    """Sends web push messages; `to` is the browser's PushSubscription as JSON."""

    name: ChannelName = "push"
    provider = "push"
    has_key = True  # the topic replaces what waits, the tag what is shown

    def __init__(
        self, settings: PushSettings, *, now: Callable[[], datetime] = wall_clock, ask: Resolve | None = None
    ) -> None:
        if settings.private_key is None or settings.contact is None:
            raise ValueError("SLOTWATCH_PUSH_PRIVATE_KEY and SLOTWATCH_PUSH_CONTACT must be set to send web push")
        self.concurrency = settings.connections
        self._settings = settings
        self._contact = settings.contact
        self._key = VapidKey(settings.private_key)
        self._now = now
        self._egress = Egress(
            what="push message", connections=settings.connections, allow_loopback=settings.allow_loopback, ask=ask
        )

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds or the configured ones if those are fewer."""
        try:
            target, browser = _read(message.to, allow_loopback=self._settings.allow_loopback)
        except ValueError as error:
            return Refused(plain(f"this is not a push subscription: {error}"))
        payload = _payload(message)
        if len(payload) > LONGEST_PAYLOAD:
            return Refused(f"a push message has at most {LONGEST_PAYLOAD} bytes, this one has {len(payload)}")
        keep = max(min(message.valid_for or _KEEP, _KEEP_AT_MOST), timedelta())
        headers = {
            "Authorization": self._key.authorization(target.origin, self._contact, self._now()),
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(int(keep.total_seconds())),
            "Urgency": "high" if message.urgent else "normal",
            "Topic": encode(hashlib.sha256(message.key.encode(errors="replace")).digest())[:32],
        }
        allowed = min(timeout, self._settings.timeout_seconds)
        answer = await self._egress.post(target, headers, encrypt(payload, browser), timeout=allowed)
        return _outcome(answer, message, target.host) if isinstance(answer, Answer) else answer

    async def check(self) -> str | None:
        """There is no one place to ask: every browser has a push service of its own."""
        return None

    async def close(self) -> None:
        """Close all connections; again is harmless."""
        await self._egress.close()


def subscription_endpoint(text: str, *, allow_loopback: bool = False) -> str:
    """Where a browser's PushSubscription (as JSON) listens. Raises ValueError with a sentence where it will not do."""
    _read(text, allow_loopback=allow_loopback)
    return _subscription(text).endpoint


def push_service(message: Message) -> str:
    """The host of the push service that the message goes to; "" when the subscription will not do."""
    try:
        return read_url(_subscription(message.to).endpoint, allow_loopback=True).host
    except ValueError:
        return ""


def _subscription(text: str) -> _Subscription:
    if len(text) > _LONGEST_SUBSCRIPTION or has_control_characters(text):
        raise ValueError("it is too long or holds control characters")
    try:
        return msgspec.json.decode(text, type=_Subscription)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _read(text: str, *, allow_loopback: bool) -> tuple[Target, BrowserKeys]:
    subscription = _subscription(text)
    try:
        return (
            read_url(subscription.endpoint, allow_loopback=allow_loopback),
            BrowserKeys.read(subscription.keys.p256dh, subscription.keys.auth),
        )
    except UnfitUrlError:
        raise
    except ValueError as error:
        raise ValueError(f"its keys will not do: {error}") from error


def _payload(message: Message) -> bytes:
    """What the page's service worker shows."""
    shown = {
        "title": message.subject or "",
        "body": message.text,
        "url": message.url,
        "tag": message.key,
        "kind": message.kind,
        "lang": message.lang,
        "urgent": message.urgent,
    }
    return msgspec.json.encode({name: _clean(value) for name, value in shown.items()})


def _clean(value: object) -> object:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _outcome(answer: Answer, message: Message, host: str) -> Outcome:
    status, said = answer.status, f"the push service {host} answered {answer.status}"
    if status in {200, 201, 202}:
        return Accepted(plain(answer.headers.get("location", ""))[:200] or message.key)
    if status in {404, 410}:
        return Refused(f"{said}: the browser is no longer subscribed", suppress=True)
    if status in {400, 413}:
        return Refused(said)
    if status == 403:
        return Refused(f"{said}: the browser subscribed to another key than SLOTWATCH_PUSH_PRIVATE_KEY")
    if status == 401:
        return Failed(f"look at SLOTWATCH_PUSH_PRIVATE_KEY and _CONTACT: {said}", down=True)
    wait = retry_after(answer.headers.get("retry-after"), answer.headers.get("date"))
    return Failed(said, wait, down=status == 429 or status >= 500)
