"""Postmark: bounces, deliveries and spam complaints. It knows our secret as the password of HTTP Basic.

| Postmark says | receipt |
|---|---|
| Delivery | delivered |
| Bounce, of a type that is final and means the address (`Inactive`, HardBounce, BadEmailAddress …) | failed, suppress |
| Bounce, SoftBounce and other final types | failed |
| Bounce, Transient, AutoResponder and other types that end nothing | nothing |
| SpamComplaint | delivered, suppress |
| SubscriptionChange that stops sending | delivered, suppress |
| Open, Click | nothing |
"""

from typing import Final

import msgspec

from slotwatch.channels.channel import plain
from slotwatch.channels.receipts import (
    LARGEST_BODY,
    BadReceipt,
    Call,
    News,
    Receipt,
    ReceiptSettings,
    ReceiptStatus,
    has_secret,
    instant,
    read_json,
)

__all__ = ["PostmarkReceipts"]

_NOT_FINAL: Final = frozenset(
    {
        "Transient",
        "AutoResponder",
        "Subscribe",
        "AddressChange",
        "OpenRelayTest",
        "ChallengeVerification",
        "Unconfirmed",
    }
)
_GONE: Final = frozenset({"HardBounce", "BadEmailAddress", "ManuallyDeactivated", "Unsubscribe", "SpamComplaint"})


class _Record(msgspec.Struct):
    """The part of Postmark's records that we use; they differ in where they keep address and time."""

    RecordType: str
    MessageID: str
    ID: int = 0
    Type: str = ""
    Description: str = ""
    Details: str = ""
    Inactive: bool = False
    SuppressSending: bool = False
    SuppressionReason: str | None = None
    Email: str = ""
    Recipient: str = ""
    BouncedAt: str | None = None
    DeliveredAt: str | None = None
    ChangedAt: str | None = None
    Metadata: dict[str, str | int | float | bool | None] = {}


class PostmarkReceipts:
    """Reads Postmark's calls about mail that went out by `provider`, the SMTP server that is Postmark."""

    def __init__(self, settings: ReceiptSettings, *, provider: str = "smtp") -> None:
        if not settings.configured:
            raise ValueError("SLOTWATCH_RECEIPT_SECRET must be set to believe Postmark")
        self._settings = settings
        self._provider = provider

    def read(self, call: Call) -> tuple[News, ...] | BadReceipt:
        """What the call says. Raises nothing."""
        if len(call.body) > LARGEST_BODY:
            return BadReceipt("too_large", f"{len(call.body)} bytes from Postmark")
        if not has_secret(call, self._settings):
            return BadReceipt("forged", "the call does not know SLOTWATCH_RECEIPT_SECRET")
        record = read_json(call.body, _Record)
        if isinstance(record, BadReceipt):
            return record
        meant = _meaning(record)
        if meant is None:
            return ()
        status, error, suppress = meant
        at = record.BouncedAt or record.DeliveredAt or record.ChangedAt
        key = record.Metadata.get("delivery")
        return (
            Receipt(
                provider=self._provider,
                channel="email",
                message_id=plain(record.MessageID),
                status=status,
                event_id=plain(f"postmark:{record.MessageID}:{record.RecordType}:{record.ID}:{at}"),
                error=None if error is None else plain(error),
                at=instant(at),
                suppress=suppress,
                address=plain(record.Email or record.Recipient) or None,
                key=plain(key) if isinstance(key, str) else None,
            ),
        )


def _meaning(record: _Record) -> tuple[ReceiptStatus, str | None, bool] | None:
    """Status, error, suppress; None when nothing ended."""
    match record.RecordType:
        case "Delivery":
            return "delivered", None, False
        case "SpamComplaint":
            return "delivered", "the recipient marked the mail as spam", True
        case "SubscriptionChange" if record.SuppressSending:
            return "delivered", f"Postmark sends no more to this address: {record.SuppressionReason}", True
        case "Bounce" if record.Type == "SpamComplaint":
            return "delivered", "the recipient marked the mail as spam", True
        case "Bounce" if record.Type not in _NOT_FINAL:
            words = f"the mail bounced ({record.Type}): {record.Details or record.Description}"
            return "failed", words, record.Inactive or record.Type in _GONE
        case _:
            return None
