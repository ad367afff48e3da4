"""A driver's browsers that are told by web push: kept when they subscribe, forgotten when they no longer want to."""

from typing import Any

import msgspec

from slotwatch.channels.push import PushSettings, subscription_endpoint
from slotwatch.domain.errors import InvalidInput, NotFound
from slotwatch.storage import push_subscriptions
from slotwatch.usecases.desk import Desk

__all__ = ["forget_browser", "keep_browser"]


async def keep_browser(desk: Desk, driver_id: int, subscription: Any, *, push: PushSettings) -> None:
    """`subscription` is what the browser's `PushSubscription.toJSON()` says; it becomes the driver's newest.

    Raises InvalidInput where it will not do, NotFound where web push is not configured.
    """
    if not push.configured:
        raise NotFound("Web push is not configured here.")
    try:
        text = msgspec.json.encode(subscription).decode()
        endpoint = subscription_endpoint(text, allow_loopback=push.allow_loopback)
        kept = {"endpoint": endpoint, "keys": {name: subscription["keys"][name] for name in ("p256dh", "auth")}}
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInput(f"This browser cannot be told by push: {error}.") from error
    async with desk.database.connection() as conn, conn.transaction():
        await push_subscriptions.add_browser(conn, driver_id, endpoint, kept, now=desk.clock.fixed)


async def forget_browser(desk: Desk, subject: str, endpoint: str) -> bool:
    """Whether it was there and that driver's."""
    async with desk.database.connection() as conn:
        return await push_subscriptions.drop_browser(conn, subject, endpoint)
