"""What is on record about a disputed booking, as one list in the order of time, in the station's own time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from slotwatch.domain.lifecycle import Cause, State
from slotwatch.domain.money import Money
from slotwatch.locale.catalogues import language
from slotwatch.outbox.money_words import amount_words
from slotwatch.outbox.time_words import day_time
from slotwatch.usecases.evidence import Evidence
from slotwatch.web.pages.receipt_words import receipt_words, reported_at

__all__ = ["Line", "story_of", "when_in"]

_ENGLISH = language("en")
_STATES = {
    State.PENDING: "Booked, payment awaited",
    State.CONFIRMED: "Booked",
    State.GRACE: "The slot began, the grace period ran",
    State.ACTIVE: "Checked in",
    State.COMPLETED: "Completed",
    State.EXPIRED: "Nobody had checked in: the slot was freed as a no-show",
    State.CANCELLED: "Cancelled",
    State.VOIDED: "The no-show was voided and the money given back",
    State.REINSTATED: "Proof came in late: the no-show was undone",
}
_DELIVERIES = {
    "pending": "waits to be sent",
    "unknown": "was handed to the provider, whose answer was lost; it may have arrived",
    "sent": "was accepted by the provider; whether it arrived is not known",
    "delivered": "arrived",
    "failed": "failed",
    "missed": "could not be sent in time",
    "suppressed": "was not sent",
    "set_aside": "could not be sent by us",
}
_CHANNELS = {"email": "E-mail", "sms": "SMS", "push": "Push message", "whatsapp": "WhatsApp", "voice": "Call"}


@dataclass(frozen=True)
class Line:
    """One thing that happened. `matters`: it speaks for or against the driver."""

    at: datetime
    when: str
    text: str
    matters: bool = False


def when_in(zone: ZoneInfo) -> Callable[[datetime], str]:
    """Writes instants as the station's clock showed them, to the second."""

    def write(instant: datetime) -> str:
        seconds = f"{instant.astimezone(zone):%S}"
        day, _, rest = day_time(instant, zone, _ENGLISH).rpartition(", ")
        clock, _, name = rest.partition(" ")
        return f"{day}, {clock}:{seconds} {name}"

    return write


def story_of(evidence: Evidence) -> list[Line]:
    """Everything on record, the oldest first."""
    write = when_in(evidence.view.zone)
    told = [
        *(*_moves(evidence), *_messages(evidence), *_reports(evidence)),
        *(*_check_ins(evidence), *_outages(evidence), *_money(evidence)),
    ]
    return [Line(at, write(at), text, matters) for at, text, matters in sorted(told, key=lambda line: line[0])]


_Told = Iterator[tuple[datetime, str, bool]]


def _moves(evidence: Evidence) -> _Told:
    for move in evidence.transitions:
        words = "Paid" if move.cause is Cause.PAID else _STATES[move.to_state]
        yield move.at, words + (f": {move.remark}" if move.remark else ""), move.to_state is State.EXPIRED


def _messages(evidence: Evidence) -> _Told:
    for row in evidence.records.notices:
        if row["channel"] is None:
            continue
        error = f" ({row['error']})" if row["error"] else ""
        words = f"{_message(row['channel'], row['kind'])} {_DELIVERIES[row['state']]}{error}"
        yield row["sent_at"] or row["created_at"], words, row["kind"] == "slot_started"


def _reports(evidence: Evidence) -> _Told:
    kinds = {row["id"]: row["kind"] for row in evidence.records.notices}
    for row in evidence.records.receipts:
        kind = kinds[row["notice_id"]]
        words = f"{_message(row['channel'], kind)}: {receipt_words(row)}, {row['provider']} reports"
        yield reported_at(row), words, kind == "slot_started"


def _message(channel: str, kind: str) -> str:
    return f"{_CHANNELS.get(channel, channel)} “{kind.replace('_', ' ')}”"


def _check_ins(evidence: Evidence) -> _Told:
    for row, refusal in evidence.records.check_ins():
        said = "was accepted" if refusal is None else f"was refused: {refusal.get('message', refusal.get('code', ''))}"
        yield row["received_at"], f"A check-in by {row['method'] or 'unknown means'} {said}", True


def _outages(evidence: Evidence) -> _Told:
    write = when_in(evidence.view.zone)
    for row in evidence.records.outages:
        part = "the engine" if row["component"] == "engine" else "check-in over the internet"
        yield row["began_at"], f"slotwatch itself was down ({part}) until {write(row['ended_at'])}", True


def _money(evidence: Evidence) -> _Told:
    for row in evidence.records.ledger:
        amount = amount_words(Money(row["amount"], row["currency"]), _ENGLISH)
        yield (
            row["at"],
            f"{amount} moved from {row['debit']} to {row['credit']} ({str(row['entry']).replace('_', ' ')})",
            False,
        )
