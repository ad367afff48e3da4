"""What is on record about a booking, and the word against a no-show."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.channels.receipts import ReceiptStatus
from slotwatch.domain import errors
from slotwatch.domain.ids import booking_ref, parse_booking_ref
from slotwatch.domain.lifecycle import EndReason, State
from slotwatch.domain.money import Money
from slotwatch.domain.notices import Channel, DeliveryState, NoticeKind
from slotwatch.storage.evidence import Records, find_dispute
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.dispute import dispute
from slotwatch.usecases.evidence import Evidence, gather_evidence
from slotwatch.web.api.booking_json import money_json, notice_name, terms_json, transition_json
from slotwatch.web.api.shapes import DisputeOut, DisputeRequest, MoneyOut, Out, TermsOut, TransitionOut
from slotwatch.web.contract import ApiRequest, Operation, declared, read_body, reply
from slotwatch.web.drivers import DriverBook
from slotwatch.web.once import Answer, once

__all__ = ["DISPUTE_ROUTES"]

_ONE = "/api/users/bookings/{booking_id:str}"


class Times(Out):
    """The instants that decided."""

    booked_at: datetime
    check_in_opens_at: datetime
    start_time: datetime
    started_at: datetime | None
    grace_period_ends_at: datetime
    checked_in_at: datetime | None
    expired_at: datetime | None
    end_time: datetime
    ended_at: datetime | None


class AttemptOut(Out):
    """One try at one delivery: what the provider said."""

    at: datetime
    outcome: str
    provider: str
    provider_message_id: str | None
    error: str | None


class ReceiptOut(Out):
    """What a provider reported of one delivery afterwards. `at`: when it came in; `happened_at`: the provider's own
    time, where it gave one; `heard`: a key was pressed during the call."""

    at: datetime
    happened_at: datetime | None
    status: ReceiptStatus
    provider: str
    heard: bool
    error: str | None


class NoticeDelivery(Out):
    """One notice on one channel, with every try and every report."""

    channel: Channel
    status: DeliveryState
    sent_at: datetime | None
    attempts: list[AttemptOut]
    receipts: list[ReceiptOut]


class NoticeOut(Out):
    """One thing that was to be told."""

    notice: str
    occasion: str
    created_at: datetime
    valid_until: datetime
    deliveries: list[NoticeDelivery]


class CheckInTry(Out):
    """A check-in as it was received, before anything was decided; refused ones say why."""

    received_at: datetime
    method: str | None
    accepted: bool
    code: str | None
    message: str | None
    location: list[float] | None


class OutageOut(Out):
    """A time in which slotwatch itself was not usable."""

    component: str
    began_at: datetime
    ended_at: datetime


class MovementOut(Out):
    """Money that moved."""

    at: datetime
    entry: str
    from_account: str
    to_account: str
    amount: MoneyOut


class EvidenceOut(Out):
    """Why a booking ended as it did."""

    booking_id: str
    status: State
    end_reason: EndReason | None
    explanation: str
    times: Times
    terms: TermsOut
    timeline: list[TransitionOut]
    notices: list[NoticeOut]
    check_in_attempts: list[CheckInTry]
    outages: list[OutageOut]
    money: list[MovementOut]
    dispute: DisputeOut | None


@get(
    f"{_ONE}/evidence",
    opt=declared(Operation("See why it ended as it did", EvidenceOut, "Drivers", errors=(errors.NotFound,))),
)
async def show_evidence(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """GET /api/users/bookings/{bookingId}/evidence."""
    number = parse_booking_ref(booking_id)
    drivers: DriverBook = request.app.state.drivers
    driver_id = await drivers.get(request.user.subject)
    return reply(_evidence_json(await gather_evidence(request.app.state.desk, driver_id, number)))


@post(
    f"{_ONE}/dispute",
    status_code=201,
    opt=declared(
        Operation(
            "Dispute a no-show",
            DisputeOut,
            "Drivers",
            status=201,
            body=DisputeRequest,
            errors=(errors.NotFound, errors.NotDisputable, errors.AlreadyDisputed, errors.DisputeWindowOver),
            description="Once per no-show, within 14 days.",
        )
    ),
)
async def dispute_booking(request: ApiRequest, booking_id: FromPath[str]) -> Response[bytes]:
    """POST /api/users/bookings/{bookingId}/dispute."""
    asked = await read_body(request, DisputeRequest)
    number = parse_booking_ref(booking_id)
    desk: Desk = request.app.state.desk
    drivers: DriverBook = request.app.state.drivers

    async def stored(driver_id: int) -> Answer | None:
        async with desk.database.connection() as conn:
            found = await find_dispute(conn, number, driver_id)
        return None if found is None else Answer.of(201, _dispute_json(number, found))

    async def work() -> Answer:
        driver_id = await drivers.get(request.user.subject)
        await dispute(desk, driver_id, number, asked.statement)
        answer = await stored(driver_id)
        assert answer is not None, "disputes are never deleted"
        return answer

    async def recall() -> Answer | None:
        return await stored(await drivers.get(request.user.subject))

    return await once(request, work, recall)


def _evidence_json(evidence: Evidence) -> EvidenceOut:
    booking, records = evidence.view.booking, evidence.records
    timeline = booking.timeline
    return EvidenceOut(
        booking_id=booking.ref,
        status=booking.state,
        end_reason=booking.end_reason,
        explanation=evidence.verdict,
        times=Times(
            booked_at=booking.created_at,
            check_in_opens_at=timeline.check_in_opens_at,
            start_time=timeline.starts_at,
            started_at=booking.started_at,
            grace_period_ends_at=timeline.grace_ends_at,
            checked_in_at=booking.checked_in_at,
            expired_at=booking.expired_at,
            end_time=timeline.ends_at,
            ended_at=booking.ended_at,
        ),
        terms=terms_json(evidence.view),
        timeline=[transition_json(move) for move in evidence.transitions],
        notices=_notices(records),
        check_in_attempts=_check_in_attempts(records),
        outages=[
            OutageOut(component=row["component"], began_at=row["began_at"], ended_at=row["ended_at"])
            for row in records.outages
        ],
        money=[
            MovementOut(
                at=row["at"],
                entry=row["entry"],
                from_account=row["debit"],
                to_account=row["credit"],
                amount=money_json(Money(row["amount"], row["currency"])),
            )
            for row in records.ledger
        ],
        dispute=None if records.dispute is None else _dispute_json(booking.id, records.dispute),
    )


def _notices(records: Records) -> list[NoticeOut]:
    notices: dict[int, NoticeOut] = {}
    for row in records.notices:
        notice = notices.setdefault(
            row["id"],
            NoticeOut(
                notice=notice_name(NoticeKind(row["kind"])),
                occasion=row["occasion"],
                created_at=row["created_at"],
                valid_until=row["valid_until"],
                deliveries=[],
            ),
        )
        if row["channel"] is not None:
            notice.deliveries.append(
                NoticeDelivery(
                    channel=Channel(row["channel"]),
                    status=DeliveryState(row["state"]),
                    sent_at=row["sent_at"],
                    attempts=[_attempt(one) for one in records.attempts_of(row)],
                    receipts=[_receipt(one) for one in records.receipts_of(row)],
                )
            )
    return list(notices.values())


def _attempt(row: Mapping[str, Any]) -> AttemptOut:
    return AttemptOut(
        at=row["at"],
        outcome=row["outcome"],
        provider=row["provider"],
        provider_message_id=row["provider_message_id"],
        error=row["error"],
    )


def _receipt(row: Mapping[str, Any]) -> ReceiptOut:
    return ReceiptOut(
        at=row["at"],
        happened_at=row["happened_at"],
        status=row["status"],
        provider=row["provider"],
        heard=row["heard"],
        error=row["error"],
    )


def _check_in_attempts(records: Records) -> list[CheckInTry]:
    return [
        CheckInTry(
            received_at=row["received_at"],
            method=row["method"],
            accepted=refusal is None and row["valid"],
            code=None if refusal is None else refusal.get("code"),
            message=None if refusal is None else refusal.get("message"),
            location=row["detail"].get("location"),
        )
        for row, refusal in records.check_ins()
    ]


def _dispute_json(booking_id: int, row: dict[str, Any]) -> DisputeOut:
    return DisputeOut(
        booking_id=booking_ref(booking_id),
        statement=row["statement"],
        opened_at=row["opened_at"],
        decision=row["decision"],
        note=row["note"],
        decided_at=row["decided_at"],
    )


DISPUTE_ROUTES: tuple[HTTPRouteHandler, ...] = (show_evidence, dispute_booking)
