"""Addresses that must not be used again on a channel: listed for an operator, and lifted."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from slotwatch.storage.statements import Connection, Statement

__all__ = ["Place", "Suppression", "delete_suppressions", "list_suppressions"]

_LIST = Statement(
    "SELECT channel, address, reason, at FROM suppression"
    " WHERE (:channel::text IS NULL OR channel = :channel) AND (:address::text IS NULL OR address = :address)"
    " AND (:at::timestamptz IS NULL OR (at, channel, address) < (:at, :before_channel::text, :before_address::text))"
    " ORDER BY at DESC, channel DESC, address DESC LIMIT :limit"
)
_DELETE = Statement(
    "DELETE FROM suppression WHERE address = :address AND (:channel::text IS NULL OR channel = :channel)"
    " RETURNING channel, address, reason, at"
)


class Place(NamedTuple):
    """Where a list goes on: after this one."""

    at: datetime
    channel: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """One address to which nothing goes by that channel, and why; e-mail in lower case."""

    channel: str
    address: str
    reason: str
    at: datetime

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return Place(self.at, self.channel, self.address)


async def list_suppressions(
    conn: Connection,
    *,
    limit: int,
    channel: str | None = None,
    address: str | None = None,
    before: Place | None = None,
) -> list[Suppression]:
    """The newest first, beginning after the place `before`."""
    at, before_channel, before_address = before or (None, None, None)
    rows = await _LIST.fetch(
        conn,
        limit=limit,
        channel=channel,
        address=_as_stored(address),
        at=at,
        before_channel=before_channel,
        before_address=before_address,
    )
    return [Suppression(**row) for row in rows]


async def delete_suppressions(conn: Connection, address: str, channel: str | None) -> list[Suppression]:
    """Forget that this address must not be used, by that channel or (None) by any; those that are gone."""
    rows = await _DELETE.fetch(conn, address=_as_stored(address), channel=channel)
    return [Suppression(**row) for row in rows]


def _as_stored(address: str | None) -> str | None:
    return None if address is None else address.strip().lower()
