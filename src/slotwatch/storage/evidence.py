"""Why a booking ended as it did: everything that is on record about it, read together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slotwatch.storage.statements import Connection, Statement

__all__ = ["Attempt", "Records", "find_dispute", "records_of"]

_ATTEMPTS = Statement(
    "SELECT kind, method, valid, detail, received_at FROM evidence WHERE booking_id = :id ORDER BY received_at, id"
)
_NOTICES = Statement(
    "SELECT n.id, n.kind, n.occasion, n.valid_until, n.created_at, d.channel, d.state, d.sent_at, d.error, d.kept_back"
    " FROM notice AS n LEFT JOIN delivery AS d ON d.notice_id = n.id WHERE n.booking_id = :id ORDER BY n.id, d.channel"
)
_TRIES = Statement(
    "SELECT a.notice_id, a.channel, a.outcome, a.provider, a.provider_message_id, a.error, a.at FROM attempt AS a"
    " JOIN notice AS n ON n.id = a.notice_id WHERE n.booking_id = :id ORDER BY a.notice_id, a.channel, a.lease"
)
# Found by the notice, as whatever changed the delivery was; no address, since errors name none either.
_RECEIPTS = Statement(
    "SELECT r.notice_id, r.channel, r.provider, r.status, r.error, r.heard, r.happened_at, r.at FROM receipt AS r"
    " JOIN notice AS n ON n.id = r.notice_id WHERE n.booking_id = :id AND r.matched"
    " ORDER BY r.notice_id, r.channel, r.at, r.event_id"
)
_OUTAGES = Statement(
    "SELECT component, began_at, ended_at, detail FROM outage"
    " WHERE ended_at > :since AND began_at < :until ORDER BY began_at, id"
)
_MONEY = Statement(
    "SELECT entry, debit, credit, amount, currency, at FROM ledger WHERE booking_id = :id ORDER BY at, id"
)
_DISPUTE = Statement("SELECT statement, decision, note, opened_at, decided_at FROM dispute WHERE booking_id = :id")
_OWN_DISPUTE = Statement(
    "SELECT d.statement, d.decision, d.note, d.opened_at, d.decided_at FROM dispute AS d"
    " JOIN booking AS b ON b.id = d.booking_id WHERE d.booking_id = :id AND b.driver_id = :driver_id"
)

Attempt = tuple[dict[str, Any], dict[str, Any] | None]
"""The row of an attempt to check in, and the code and message with which it was refused, if it was."""


@dataclass(frozen=True)
class Records:
    """Rows as the tables have them: what came in, what was told, tried and reported, outages of ours, money, the
    dispute."""

    evidence: list[dict[str, Any]]
    notices: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    receipts: list[dict[str, Any]]
    outages: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    dispute: dict[str, Any] | None

    def attempts_of(self, delivery: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every try of one delivery, a row of `notices`, the oldest first."""
        return _of(delivery, self.attempts)

    def receipts_of(self, delivery: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What was reported of one delivery, a row of `notices`, as it came in."""
        return _of(delivery, self.receipts)

    def check_ins(self) -> list[Attempt]:
        """Every attempt to check in, and what its refusal says; None: it was not refused."""
        found: list[Attempt] = []
        for row in self.evidence:
            match row["kind"]:
                case "check_in":
                    found.append((row, None))
                case "check_in_refused":
                    _refuse(found, row)
        return found


def _of(delivery: Mapping[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    place = (delivery["id"], delivery["channel"])
    return [row for row in rows if (row["notice_id"], row["channel"]) == place]


def _refuse(attempts: list[Attempt], refusal: dict[str, Any]) -> None:
    """Put the refusal to its attempt: the last one of that instant and kind."""
    for place, (row, said) in reversed(list(enumerate(attempts))):
        if said is None and all(row[name] == refusal[name] for name in ("received_at", "method")):
            attempts[place] = row, refusal["detail"]
            return


async def records_of(conn: Connection, booking_id: int, since: datetime, until: datetime) -> Records:
    """Everything about that booking; outages that touched `[since, until)`."""
    dispute = await _DISPUTE.fetchrow(conn, id=booking_id)
    return Records(
        evidence=_dicts(await _ATTEMPTS.fetch(conn, id=booking_id)),
        notices=_dicts(await _NOTICES.fetch(conn, id=booking_id)),
        attempts=_dicts(await _TRIES.fetch(conn, id=booking_id)),
        receipts=_dicts(await _RECEIPTS.fetch(conn, id=booking_id)),
        outages=_dicts(await _OUTAGES.fetch(conn, since=since, until=until)),
        ledger=_dicts(await _MONEY.fetch(conn, id=booking_id)),
        dispute=None if dispute is None else dict(dispute),
    )


async def find_dispute(conn: Connection, booking_id: int, driver_id: int) -> dict[str, Any] | None:
    """The dispute over that driver's booking, if there is one."""
    row = await _OWN_DISPUTE.fetchrow(conn, id=booking_id, driver_id=driver_id)
    return None if row is None else dict(row)


def _dicts(rows: list[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
