"""What the operator's own app is told of a booking: references, times, state and money; no name, no address."""

from collections.abc import Mapping
from datetime import datetime

from slotwatch.domain.ids import booking_ref, ref
from slotwatch.outbox.claim import Claimed

__all__ = ["app_facts"]

_INSTANTS = {
    "startTime": "starts_at",
    "endTime": "ends_at",
    "checkInOpensAt": "check_in_opens_at",
    "gracePeriodEndsAt": "grace_ends_at",
    "checkedInAt": "checked_in_at",
    "expiredAt": "expired_at",
    "endedAt": "ended_at",
}


def app_facts(delivery: Claimed) -> Mapping[str, object]:
    """As JSON knows values. `driver` is the subject of the driver's token: the app's own name for them."""
    facts = delivery.facts
    if facts["booking_id"] is None:
        return {}
    return {
        "bookingId": booking_ref(facts["booking_id"]),
        "version": facts["version"],
        "occasion": delivery.occasion,
        "status": facts["state"],
        "endReason": facts["end_reason"],
        "driver": facts.get("subject"),
        "vendorId": ref("VN", facts["vendor_id"]),
        "stationId": ref("ST", facts["station_id"]),
        "stationName": facts["station_name"],
        "connectorLabel": facts["label"],
        "timeZone": facts["zone"],
        "amount": {"amount": facts["amount"], "currency": facts["currency"]},
        "refunded": facts["refunded"],
        "paymentStatus": facts["payment_status"],
        **{name: _rfc3339(facts[column]) for name, column in _INSTANTS.items()},
    }


def _rfc3339(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")
