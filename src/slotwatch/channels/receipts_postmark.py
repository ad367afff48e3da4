"""Postmark: bounces, deliveries and spam complaints. It knows our secret as the password of HTTP Basic.

| Postmark says | receipt |
|---|---|
| Delivery | delivered |
| Bounce, of a type that is final and means the address (`Inactive`, HardBounce, BadEmailAddress …) | failed, suppress |
| Bounce, SoftBounce and other final types | failed |
| Bounce, Transient, AutoResponder and other types that end nothing | nothing |
| SpamComplaint | delivered, suppress |
| SubscriptionChange, HardBounce of a mail that it names | failed, suppress |
| SubscriptionChange that stops sending for another reason, or names no mail | suppress |
| SubscriptionChange that allows sending again | no longer suppress |
| Open, Click | nothing |
"""

from typing import Final, Literal

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
    Reply,
    instant,
    read_json,
    why_not_believed,
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
    MessageID: str | None = None  # null where an address was taken off the list, or put back, by hand
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

    @property
    def address(self) -> str:
        return plain(self.Email or self.Recipient)

    @property
    def at(self) -> str | None:
        return self.BouncedAt or self.DeliveredAt or self.ChangedAt


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
        if (why_not := why_not_believed(call, self._settings)) is not None:
            return why_not
        record = read_json(call.body, _Record)
        if isinstance(record, BadReceipt):
            return record
        if record.RecordType == "SubscriptionChange" and not (record.MessageID and _is_hard_bounce(record)):
            return self._reply(record)
        meant = _meaning(record)
        if meant is None:
            return ()
        if not record.MessageID:
            return BadReceipt("malformed", f"a {plain(record.RecordType)} without the MessageID of its mail")
        status, error, suppress = meant
        key = record.Metadata.get("delivery")
        return (
            Receipt(
                provider=self._provider,
                channel="email",
                message_id=plain(record.MessageID),
                status=status,
                event_id=plain(f"postmark:{record.MessageID}:{record.RecordType}:{record.ID}:{record.at}"),
                error=None if error is None else plain(error),
                at=instant(record.at),
                suppress=suppress,
                address=record.address or None,
                key=plain(key) if isinstance(key, str) else None,
            ),
        )

    def _reply(self, record: _Record) -> tuple[Reply] | BadReceipt:
        """About the address alone: how the mail fared was said already, or there was none."""
        if not record.address:
            return BadReceipt("malformed", "a SubscriptionChange without the Recipient whom it is about")
        wants: Literal["stop", "start"] = "stop" if record.SuppressSending else "start"
        return (
            Reply(
                provider=self._provider,
                channel="email",
                address=record.address,
                wants=wants,
                event_id=plain(f"postmark:{wants}:{record.at}:{record.address}"),
                reason=plain(_no_more(record)),
                at=instant(record.at),
            ),
        )


def _is_hard_bounce(record: _Record) -> bool:
    return record.SuppressSending and record.SuppressionReason == "HardBounce"


def _no_more(record: _Record) -> str:
    return f"Postmark sends no more to this address: {record.SuppressionReason or 'no reason given'}"


def _meaning(record: _Record) -> tuple[ReceiptStatus, str | None, bool] | None:
    """Status, error, suppress; None when nothing ended."""
    match record.RecordType:
        case "Delivery":
            return "delivered", None, False
        case "SpamComplaint":
            return "delivered", "the recipient marked the mail as spam", True
        case "SubscriptionChange":
            return "failed", _no_more(record), True
        case "Bounce" if record.Type == "SpamComplaint":
            return "delivered", "the recipient marked the mail as spam", True
        case "Bounce" if record.Type not in _NOT_FINAL:
            words = f"the mail bounced ({record.Type}): {record.Details or record.Description}"
            return "failed", words, record.Inactive or record.Type in _GONE
        case _:
            return None
