"""Rigs of the channels that call a stranger's URL: push before the HTTP double, webhook before the same."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from slotwatch.channels import Channel, Message, PushChannel, PushSettings, WebhookChannel, WebhookSettings
from slotwatch.channels.push_crypto import VapidKey, encode
from tests.integration.channels import http_double
from tests.integration.channels.rigs import Mood, Rig

__all__ = ["HTTP_RIGS", "PRIVATE_KEY", "SECRET", "push_settings", "subscription", "webhook_settings"]

PRIVATE_KEY = VapidKey.generate()
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_BROWSER = ec.generate_private_key(ec.SECP256R1()).public_key()
_AUTH = b"sixteen bytes..."
_ANSWERS = {
    "/refuses": http_double.reply(410, b""),
    "/stumbles": http_double.reply(503, b""),
    "/hangs": http_double.HANG,
    "/drops": http_double.DROP,
}


def push_settings(**changes: object) -> PushSettings:
    """Ours, for push services on this machine."""
    given = {"private_key": PRIVATE_KEY, "contact": "mailto:ops@slotwatch.example", "allow_loopback": True}
    return PushSettings(**{**given, "connections": 1, **changes})  # type: ignore[arg-type]


def webhook_settings(**changes: object) -> WebhookSettings:
    """Ours, for apps on this machine."""
    given = {"secret": SECRET, "allow_loopback": True, "connections": 1, **changes}
    return WebhookSettings(**given)  # type: ignore[arg-type]


def subscription(endpoint: str) -> str:
    """What a browser gives a page that subscribes."""
    point = _BROWSER.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": encode(point), "auth": encode(_AUTH)}
    return json.dumps({"endpoint": endpoint, "expirationTime": None, "keys": keys})


class HttpRig:
    def __init__(
        self, double: http_double.HttpDouble, channel: Channel, address: Callable[[str], str], identity: str
    ) -> None:
        self.double = double
        self.channel = channel
        self._address = address
        self._identity = identity
        double.answers.update(_ANSWERS)

    def message(self, key: str = "delivery-1") -> Message:
        return self._to("/taken", key)

    def troubled(self, mood: Mood) -> Message:
        return self._to(f"/{mood.name.lower()}", "delivery-1")

    def _to(self, path: str, key: str) -> Message:
        to = self._address(self.double.base_url + path)
        return Message(key=key, to=to, subject="Your slot begins", text="Go.", kind="slot_started")

    def identities(self) -> list[str]:
        return [request.headers[self._identity] for request in self.double.requests]

    def connections(self) -> int | None:
        return self.double.connections

    async def until_it_hangs(self) -> None:
        await asyncio.wait_for(self.double.hanging.wait(), 5)


@contextlib.asynccontextmanager
async def _push_rig() -> AsyncIterator[Rig]:
    async with http_double.http_double() as double:
        rig = HttpRig(double, PushChannel(push_settings()), subscription, "topic")
        yield rig
        await rig.channel.close()


@contextlib.asynccontextmanager
async def _webhook_rig() -> AsyncIterator[Rig]:
    async with http_double.http_double() as double:
        rig = HttpRig(double, WebhookChannel(webhook_settings()), lambda url: url, "webhook-id")
        yield rig
        await rig.channel.close()


HTTP_RIGS: dict[str, Callable[[], AbstractAsyncContextManager[Rig]]] = {"push": _push_rig, "webhook": _webhook_rig}
