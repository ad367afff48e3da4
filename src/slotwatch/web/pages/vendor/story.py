"""The whole story of a booking as a vendor reads it: its moves, what was told and how that fared, check-ins, money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.lifecycle import Cause
from slotwatch.domain.money import Account, Entry, Money
from slotwatch.domain.notices import DeliveryState
from slotwatch.locale.catalogues import DEFAULT, language
from slotwatch.outbox.money_words import amount_words
from slotwatch.storage.booking_views import TransitionView
from slotwatch.storage.evidence import Records
from slotwatch.web.pages.receipt_words import receipt_words, reported_at
from slotwatch.web.pages.station_times import StationTimes

__all__ = ["Told", "amount", "check_ins", "instant", "ledger_lines", "moves_of", "told_of"]

_CAUSES = {
    Cause.BOOKED: "was booked",
    Cause.TIME: "its time came",
    Cause.PAID: "was paid",
    Cause.CHECKED_IN: "checked in",
    Cause.CANCELLED: "was cancelled",
    Cause.LEFT: "the driver left",
    Cause.EXTENDED: "grace was made longer by an outage of ours",
    Cause.NO_FAULT: "nobody was at fault",
    Cause.PROVEN: "a check-in in time was proven later",
    Cause.DISPUTE_WON: "the dispute was decided for the driver",
}
_ACTORS = {"engine": "slotwatch", "driver": "the driver", "vendor": "the staff", "operator": "the operator"}
_GOOD = (DeliveryState.DELIVERED, DeliveryState.SENT)
_BAD = (DeliveryState.FAILED, DeliveryState.MISSED, DeliveryState.SET_ASIDE)
_ENTRIES = {
    Entry.CAPTURED: "paid by the driver",
    Entry.EARNED: "earned",
    Entry.REFUNDED: "paid back to the driver",
    Entry.KEPT: "kept from a late cancel",
    Entry.FORFEIT_HELD: "forfeited, held for a day",
    Entry.FORFEITED: "forfeited for good",
}
_METHODS = {"app": "in the app", "qr": "by QR code", "charger": "by plugging in", "vendor": "by the staff"}


@dataclass(frozen=True)
class Line:
    """One thing that happened."""

    at: str
    words: str
    state: str = ""
    note: str = ""


@dataclass(frozen=True)
class Told:
    """One notice on one channel, with its tries and the provider's reports."""

    at: str
    what: str
    channel: str
    state: str
    tone: str
    note: str
    tries: tuple[Line, ...]


def instant(at: datetime, zone: ZoneInfo) -> str:
    """In the station's zone, which is named, with seconds: what is argued about is often seconds."""
    return StationTimes(zone).exact(at)


def amount(money: Money) -> str:
    """As the pages write it."""
    return amount_words(money, language(DEFAULT))


def moves_of(history: list[TransitionView], zone: ZoneInfo) -> list[Line]:
    """Every move, the oldest first."""
    return [
        Line(
            instant(move.at, zone),
            _CAUSES[move.cause],
            move.to_state.value,
            _by(move.actor) + (f": {move.remark}" if move.remark else ""),
        )
        for move in history
    ]


def told_of(records: Records, zone: ZoneInfo) -> list[Told]:
    """Every notice on every channel, the oldest first; below each its tries and reports as they came."""
    return [
        Told(
            at=instant(row["sent_at"] or row["created_at"], zone),
            what=row["kind"].replace("_", " "),
            channel=row["channel"],
            state=row["state"].replace("_", " "),
            tone="good" if row["state"] in _GOOD else "bad" if row["state"] in _BAD else "wait",
            note=row["error"] or "",
            tries=_tries(records, row, zone),
        )
        for row in records.notices
        if row["channel"] is not None
    ]


def _tries(records: Records, delivery: Mapping[str, Any], zone: ZoneInfo) -> tuple[Line, ...]:
    told = [(row["at"], _try(row, zone)) for row in records.attempts_of(delivery)]
    told += [(row["at"], _report(row, zone)) for row in records.receipts_of(delivery)]
    return tuple(line for _, line in sorted(told, key=itemgetter(0)))


def _try(row: Mapping[str, Any], zone: ZoneInfo) -> Line:
    words = f"{row['outcome'].replace('_', ' ')} by {row['provider']}"
    return Line(instant(row["at"], zone), words, note=row["error"] or "")


def _report(row: Mapping[str, Any], zone: ZoneInfo) -> Line:
    return Line(instant(reported_at(row), zone), f"{row['provider']} reports: {receipt_words(row)}")


def check_ins(records: Records, zone: ZoneInfo) -> list[Line]:
    """Every attempt to check in, good or not."""
    return [
        Line(
            instant(row["received_at"], zone),
            "check-in" if refusal is None else "check-in refused",
            note=_noted(_METHODS.get(row["method"] or "", ""), _detail(row["detail"]), refusal),
        )
        for row, refusal in records.check_ins()
    ]


def _noted(how: str, detail: str, refusal: Mapping[str, Any] | None) -> str:
    """How and what about it, and after a colon why not."""
    why_not = "" if refusal is None else refusal.get("message", "")
    return ": ".join(filter(None, (" ".join(filter(None, (how, detail))), why_not)))


def ledger_lines(records: Records, zone: ZoneInfo) -> list[tuple[str, str, str, str]]:
    """When, what, from whom to whom, how much."""
    return [
        (
            instant(row["at"], zone),
            _ENTRIES[Entry(row["entry"])],
            f"{Account(row['debit'])} to {Account(row['credit'])}",
            amount(Money(row["amount"], row["currency"])),
        )
        for row in records.ledger
    ]


def _by(actor: str) -> str:
    return f"by {_ACTORS.get(actor, actor)}"


def _detail(detail: Mapping[str, Any]) -> str:
    """What the evidence says besides; positions are the driver's own business and are left out."""
    said = {name: value for name, value in detail.items() if name not in ("location", "latitude", "longitude")}
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in said.items() if value is not None)
