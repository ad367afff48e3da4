"""Amazon SES: bounces, complaints and deliveries, wrapped by SNS.

SNS signs its calls with a certificate that must be fetched from an address inside the call. Instead we believe who
knows our secret: the operator subscribes `https://sns:SECRET@host/…`, and SNS sends it as HTTP Basic, which no access
log keeps, once a 401 with a realm has asked for it. That needs no call to anywhere while a receipt is read, cannot be
turned against our network, and is as strong as the TLS that carries it; whoever can read the secret could read the
operator's other settings, too. A topic can be pinned besides (`SLOTWATCH_SES_TOPIC_ARN`).

| SES says | receipt |
|---|---|
| Send, DeliveryDelay, Open, Click | nothing |
| Delivery | delivered |
| Bounce, Permanent | failed, suppress |
| Bounce, Transient or Undetermined | failed |
| Complaint | delivered, suppress |
| Reject, Rendering Failure | failed |
| words for people, such as `Successfully validated SNS topic …` | nothing |
"""

import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from slotwatch.channels.channel import plain
from slotwatch.channels.receipts import (
    LARGEST_BODY,
    BadReceipt,
    Call,
    Confirmation,
    News,
    Receipt,
    ReceiptSettings,
    ReceiptStatus,
    instant,
    key_of,
    read_json,
    why_not_believed,
)

__all__ = ["SesReceipts"]

_MOST_RECIPIENTS: Final = 50
_SNS_HOST = re.compile(r"sns\.[a-z0-9-]{1,30}\.amazonaws\.com(?:\.cn)?\Z")


class _Envelope(msgspec.Struct):
    """The part of SNS's call that we use."""

    Type: str
    MessageId: str
    Message: str
    TopicArn: str = ""
    SubscribeURL: str = ""


class _CommonHeaders(msgspec.Struct):
    messageId: str | None = None  # noqa: N815  SES's name


class _Mail(msgspec.Struct):
    messageId: str  # noqa: N815
    destination: list[str] = []
    commonHeaders: _CommonHeaders | None = None  # noqa: N815


class _Recipient(msgspec.Struct):
    emailAddress: str  # noqa: N815
    diagnosticCode: str | None = None  # noqa: N815


class _Bounce(msgspec.Struct):
    bounceType: str  # noqa: N815
    bouncedRecipients: list[_Recipient]  # noqa: N815
    bounceSubType: str = ""  # noqa: N815
    timestamp: str | None = None


class _Complaint(msgspec.Struct):
    complainedRecipients: list[_Recipient]  # noqa: N815
    timestamp: str | None = None


class _Delivery(msgspec.Struct):
    recipients: list[str]
    timestamp: str | None = None


class _Event(msgspec.Struct):
    """The part of SES's event that we use; notifications and event publishing name the kind differently."""

    mail: _Mail | None = None  # none in what Amazon says once, when it was set up
    notificationType: str = ""  # noqa: N815
    eventType: str = ""  # noqa: N815
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _Delivery | None = None


class SesReceipts:
    """Reads SES's calls about mail that went out by `provider`, the SMTP server that is SES."""

    def __init__(self, settings: ReceiptSettings, *, provider: str = "smtp") -> None:
        if not settings.configured:
            raise ValueError("SLOTWATCH_RECEIPT_SECRET must be set to believe Amazon SES")
        self._settings = settings
        self._provider = provider

    def read(self, call: Call) -> tuple[News, ...] | BadReceipt:
        """What the call says. Raises nothing."""
        if len(call.body) > LARGEST_BODY:
            return BadReceipt("too_large", f"{len(call.body)} bytes from SNS")
        if (why_not := why_not_believed(call, self._settings)) is not None:
            return why_not
        envelope = read_json(call.body, _Envelope)
        if isinstance(envelope, BadReceipt):
            return envelope
        if self._settings.ses_topic is not None and envelope.TopicArn != self._settings.ses_topic:
            return BadReceipt("forged", "the call is from another topic than SLOTWATCH_SES_TOPIC_ARN")
        if envelope.Type == "SubscriptionConfirmation":
            return _confirmation(envelope)
        if envelope.Type != "Notification":
            return ()
        if not envelope.Message.startswith("{"):
            return ()
        event = read_json(envelope.Message, _Event)
        if isinstance(event, BadReceipt):
            return event
        return () if event.mail is None else self._receipts(envelope, event, event.mail)

    def _receipts(self, envelope: _Envelope, event: _Event, mail: _Mail) -> tuple[Receipt, ...]:
        at, found = _meaning(event, mail)
        common = mail.commonHeaders
        return tuple(
            Receipt(
                provider=self._provider,
                channel="email",
                message_id=plain(mail.messageId),
                status=status,
                event_id=f"ses:{plain(envelope.MessageId)}:{number}",
                error=None if error is None else plain(error),
                at=instant(at),
                suppress=suppress,
                address=plain(address),
                key=key_of(common.messageId if common else None),
            )
            for number, (address, status, error, suppress) in enumerate(found[:_MOST_RECIPIENTS])
        )


_Meant = tuple[str, ReceiptStatus, str | None, bool]


def _meaning(event: _Event, mail: _Mail) -> tuple[str | None, list[_Meant]]:
    """When, and for each recipient: address, status, error, suppress."""
    kind = event.notificationType or event.eventType
    match kind:
        case "Delivery" if event.delivery is not None:
            return event.delivery.timestamp, [(to, "delivered", None, False) for to in event.delivery.recipients]
        case "Bounce" if event.bounce is not None:
            return event.bounce.timestamp, _bounced(event.bounce)
        case "Complaint" if event.complaint is not None:
            words = "the recipient marked the mail as spam"
            gone = event.complaint.complainedRecipients
            return event.complaint.timestamp, [(one.emailAddress, "delivered", words, True) for one in gone]
        case "Reject" | "Rendering Failure":
            words = f"Amazon SES did not send the mail: {kind}"
            return None, [(to, "failed", words, False) for to in mail.destination]
        case _:
            return None, []


def _bounced(bounce: _Bounce) -> list[_Meant]:
    permanent = bounce.bounceType == "Permanent"
    words = f"the mail bounced ({bounce.bounceType} {bounce.bounceSubType})"
    return [
        (one.emailAddress, "failed", f"{words}: {one.diagnosticCode}" if one.diagnosticCode else words, permanent)
        for one in bounce.bouncedRecipients
    ]


def _confirmation(envelope: _Envelope) -> tuple[Confirmation, ...] | BadReceipt:
    """Only an address of SNS is passed on: an operator will open it."""
    try:
        url = urlsplit(envelope.SubscribeURL)
        genuine = url.scheme == "https" and _SNS_HOST.match(url.netloc) is not None
    except ValueError:
        genuine = False
    if not genuine or len(envelope.SubscribeURL) > 2048 or not envelope.SubscribeURL.isprintable():
        return BadReceipt("malformed", "the address to confirm is not one of SNS")
    return (Confirmation("ses", envelope.SubscribeURL),)
