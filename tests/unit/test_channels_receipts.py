"""What mail providers report: bounces, complaints, deliveries; and bodies that nobody should send."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwatch.channels.receipts import (
    LARGEST_BODY,
    BadReceipt,
    Call,
    Confirmation,
    Receipt,
    ReceiptSettings,
    Reply,
    Translator,
)
from slotwatch.channels.receipts_postmark import PostmarkReceipts
from slotwatch.channels.receipts_ses import SesReceipts
from slotwatch.channels.receipts_twilio import TwilioReceipts, twilio_signature
from slotwatch.channels.twilio_settings import TwilioSettings

SECRET = "correct-horse-battery"
SETTINGS = ReceiptSettings(secret=SECRET)
SES, POSTMARK = SesReceipts(SETTINGS), PostmarkReceipts(SETTINGS)
ACCOUNT = TwilioSettings(account_sid="AC" + "0" * 32, auth_token="t0ken", sender="+15550001111")
TWILIO = TwilioReceipts([ACCOUNT])
URL = "https://slotwatch.example/receipts"


def basic(password: str = SECRET, user: str = "sns") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def call(body: object, headers: dict[str, str] | None = None) -> Call:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(URL, basic() if headers is None else headers, raw)


def sns(event: object, **changes: Any) -> dict[str, Any]:
    message = event if isinstance(event, str) else json.dumps(event)
    topic = "arn:aws:sns:eu-central-1:123456789012:bounces"
    return {"Type": "Notification", "MessageId": "m-1", "TopicArn": topic, "Message": message, **changes}


MAIL = {
    "messageId": "0102018f-0000",
    "destination": ["sam@example.com"],
    "commonHeaders": {"messageId": "<slotwatch.delivery-7@volt.example>", "subject": "Your slot begins"},
}


def bounce(kind: str = "Permanent", **changes: Any) -> dict[str, Any]:
    gone = {"emailAddress": "sam@example.com", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
    inner = {
        "bounceType": kind,
        "bounceSubType": "General",
        "bouncedRecipients": [gone],
        "timestamp": "2026-03-02T12:00:01.000Z",
        **changes,
    }
    return {"notificationType": "Bounce", "mail": MAIL, "bounce": inner}


# Amazon SES


def test_a_permanent_bounce_fails_the_mail_and_suppresses_the_address() -> None:
    assert SES.read(call(sns(bounce()))) == (
        Receipt(
            provider="smtp",
            channel="email",
            message_id="0102018f-0000",
            status="failed",
            event_id="ses:m-1:0",
            error="the mail bounced (Permanent General): smtp; 550 5.1.1 user unknown",
            at=datetime(2026, 3, 2, 12, 0, 1, tzinfo=UTC),
            suppress=True,
            address="sam@example.com",
            key="delivery-7",
        ),
    )


@pytest.mark.parametrize("kind", ["Transient", "Undetermined"])
def test_a_passing_bounce_fails_the_mail_but_keeps_the_address(kind: str) -> None:
    (receipt,) = read(SES, call(sns(bounce(kind))))
    assert (receipt.status, receipt.suppress) == ("failed", False)


@pytest.mark.parametrize("name", ["notificationType", "eventType"])
def test_a_delivery_and_a_complaint_are_read_in_both_spellings(name: str) -> None:
    delivered = {name: "Delivery", "mail": MAIL, "delivery": {"recipients": ["sam@example.com"], "timestamp": "x"}}
    complaint = {name: "Complaint", "mail": MAIL, "complaint": {"complainedRecipients": [{"emailAddress": "s@x.yz"}]}}

    (first,) = read(SES, call(sns(delivered)))
    (second,) = read(SES, call(sns(complaint)))

    assert (first.status, first.suppress, first.at) == ("delivered", False, None)
    assert (second.status, second.suppress) == ("delivered", True)


@pytest.mark.parametrize("kind", ["Send", "Open", "DeliveryDelay", "Something new"])
def test_what_says_nothing_final_is_read_as_nothing(kind: str) -> None:
    assert SES.read(call(sns({"eventType": kind, "mail": MAIL}))) == ()


def test_sns_is_confirmed_by_an_operator_and_only_at_an_address_of_sns() -> None:
    good = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"
    assert SES.read(call(sns("", Type="SubscriptionConfirmation", SubscribeURL=good))) == (Confirmation("ses", good),)
    for evil in (
        "https://sns.eu-central-1.amazonaws.com.evil.example/",
        "https://sns.eu-central-1.amazonaws.com@evil.example/",
        "http://sns.eu-central-1.amazonaws.com/",
        "https://[::1",
        "",
    ):
        bad = SES.read(call(sns("", Type="SubscriptionConfirmation", SubscribeURL=evil)))
        assert isinstance(bad, BadReceipt) and bad.reason == "malformed"


@pytest.mark.parametrize(
    "message",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"},
        "[]",
        "",
    ],
)
def test_what_amazon_tells_people_once_is_read_as_nothing(message: object) -> None:
    assert SES.read(call(sns(message))) == ()


def test_another_topic_is_not_believed_when_one_is_pinned() -> None:
    pinned = SesReceipts(ReceiptSettings(secret=SECRET, ses_topic="arn:aws:sns:eu-central-1:1:other"))
    bad = pinned.read(call(sns(bounce())))
    assert isinstance(bad, BadReceipt) and bad.reason == "forged"


# Postmark


def postmark(kind: str, **changes: Any) -> dict[str, Any]:
    return {"RecordType": kind, "MessageID": "883953f4", "Metadata": {"delivery": "delivery-7"}, **changes}


def test_a_hard_bounce_at_postmark_suppresses_the_address() -> None:
    record = postmark(
        "Bounce",
        ID=42,
        Type="HardBounce",
        Inactive=True,
        Email="sam@example.com",
        Details="550 unknown",
        BouncedAt="2026-03-02T13:28:10.2735393-04:00",
    )
    (receipt,) = read(POSTMARK, call(record))
    assert (receipt.status, receipt.suppress, receipt.key) == ("failed", True, "delivery-7")
    assert receipt.error == "the mail bounced (HardBounce): 550 unknown"
    assert receipt.address == "sam@example.com"


@pytest.mark.parametrize(
    ("record", "status", "suppress"),
    [
        (postmark("Delivery", Recipient="sam@example.com", DeliveredAt="2026-03-02T12:00:00Z"), "delivered", False),
        (postmark("Bounce", ID=1, Type="SoftBounce", Email="s@x.yz"), "failed", False),
        (postmark("Bounce", ID=1, Type="SoftBounce", Email="s@x.yz", Inactive=True), "failed", True),
        (postmark("SpamComplaint", ID=1, Type="SpamComplaint", Email="s@x.yz", Inactive=True), "delivered", True),
        (
            postmark("SubscriptionChange", Recipient="s@x.yz", SuppressSending=True, SuppressionReason="HardBounce"),
            "failed",
            True,
        ),
    ],
)
def test_postmarks_records_are_read(record: dict[str, Any], status: str, suppress: bool) -> None:
    (receipt,) = read(POSTMARK, call(record))
    assert (receipt.status, receipt.suppress) == (status, suppress)


@pytest.mark.parametrize(
    "record", [postmark("Open"), postmark("Bounce", Type="Transient"), postmark("Bounce", Type="AutoResponder")]
)
def test_what_ends_nothing_at_postmark_is_read_as_nothing(record: dict[str, Any]) -> None:
    assert POSTMARK.read(call(record)) == ()


def change(**changes: Any) -> dict[str, Any]:
    at = "2026-03-02T12:00:00Z"
    return postmark("SubscriptionChange", Recipient="Sam@example.com", ChangedAt=at, **changes)


def postmark_s_reply(record: dict[str, Any]) -> Reply:
    """The only news in it; anything else fails the test."""
    news = POSTMARK.read(call(record))
    assert not isinstance(news, BadReceipt), news
    (reply,) = news
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize("message_id", ["883953f4", None])
@pytest.mark.parametrize("reason", ["ManualSuppression", "SpamComplaint"])
def test_who_wants_no_mail_at_postmark_gets_none_and_the_mail_stays_as_it_was(
    reason: str, message_id: str | None
) -> None:
    reply = postmark_s_reply(change(MessageID=message_id, SuppressSending=True, SuppressionReason=reason))
    assert (reply.channel, reply.wants, reply.address) == ("email", "stop", "Sam@example.com")
    assert reply.at == datetime(2026, 3, 2, 12, tzinfo=UTC), "Postmark repeats, and overtakes itself"
    assert reason in (reply.reason or "")


def test_a_hard_bounce_that_names_no_mail_suppresses_the_address() -> None:
    record = change(MessageID=None, SuppressSending=True, SuppressionReason="HardBounce")
    assert postmark_s_reply(record).wants == "stop"


def test_an_address_that_was_reactivated_at_postmark_is_written_to_again() -> None:
    stop, start = (
        postmark_s_reply(change(MessageID=None, SuppressSending=is_off, SuppressionReason=None, Metadata={}))
        for is_off in (True, False)
    )
    assert (start.wants, start.address, start.event_id != stop.event_id) == ("start", "Sam@example.com", True)


def test_two_addresses_that_are_taken_off_at_once_are_two_events() -> None:
    both = [{**change(MessageID=None, SuppressSending=True), "Recipient": address} for address in ("a@x.yz", "b@x.yz")]
    assert len({postmark_s_reply(record).event_id for record in both}) == 2


@pytest.mark.parametrize("record", [postmark("Delivery", MessageID=None), postmark("SubscriptionChange")])
def test_a_record_that_names_neither_mail_nor_address_is_malformed(record: dict[str, Any]) -> None:
    bad = POSTMARK.read(call(record))
    assert isinstance(bad, BadReceipt) and bad.reason == "malformed"


# Who may report


@pytest.mark.parametrize("translator", [SES, POSTMARK])
def test_who_names_no_password_is_asked_for_one(translator: Translator) -> None:
    bad = translator.read(call(sns(bounce()), {}))
    assert isinstance(bad, BadReceipt) and bad.reason == "anonymous"


@pytest.mark.parametrize("translator", [SES, POSTMARK])
@pytest.mark.parametrize(
    "headers",
    [
        basic("wrong"),
        basic(""),
        basic(SECRET + " "),
        basic(SECRET[:-1]),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic ключ"},
        {"Authorization": "Bearer " + base64.b64encode(f"x:{SECRET}".encode()).decode()},
        {"Authorization": "Basic " + base64.b64encode(SECRET.encode()).decode()},
    ],
)
def test_who_does_not_know_the_secret_is_not_believed(translator: Translator, headers: dict[str, str]) -> None:
    bad = translator.read(call(sns(bounce()), headers))
    assert isinstance(bad, BadReceipt) and bad.reason == "forged"
    assert SECRET not in bad.error


def test_while_the_secret_is_replaced_both_are_believed() -> None:
    both = SesReceipts(ReceiptSettings(secret=f"a-new-secret-for-us {SECRET}"))
    for password in ("a-new-secret-for-us", SECRET):
        assert read(both, call(sns(bounce()), basic(password)))


@pytest.mark.parametrize(
    "secret", ["short", "", "a-good-long-secret short", "1" * 16 + " " + "2" * 16 + " " + "3" * 16]
)
def test_a_secret_that_is_none_is_refused_by_name(secret: str) -> None:
    with pytest.raises(ValueError, match="SLOTWATCH_RECEIPT_SECRET"):
        ReceiptSettings(secret=secret)


# Bodies that nobody should send

DEEP = b'{"Type":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
HOSTILE = {
    "empty": b"",
    "no JSON": b"<xml/>",
    "not UTF-8": b'{"Type": "\xff"}',
    "a list": b"[]",
    "a number": b"1e999",
    "deep": DEEP,
    "wrong types": json.dumps({"Type": 7, "MessageId": {}, "Message": [], "RecordType": 1, "MessageID": []}).encode(),
    "deep inside": json.dumps(sns('{"mail":' + "[" * 100_000)).encode(),
    "cut off inside": json.dumps(sns('{"mail": {}')).encode(),
    "wrong types inside": json.dumps(sns({"mail": {"messageId": 7}})).encode(),
    "bounce without recipients": json.dumps(sns({"mail": MAIL, "notificationType": "Bounce", "bounce": {}})).encode(),
    "surrogate": b'{"Type": "Notification", "MessageId": "\\ud800", "Message": "{}"}',
}


@pytest.mark.parametrize("translator", [SES, POSTMARK])
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_malformed_with_a_printable_error(translator: Translator, body: bytes) -> None:
    bad = translator.read(call(body))
    assert isinstance(bad, BadReceipt) and bad.reason == "malformed"
    assert bad.error.isprintable() and len(bad.error) <= 300


@pytest.mark.parametrize("translator", [SES, POSTMARK, TWILIO])
def test_a_huge_body_is_not_even_read(translator: Translator) -> None:
    bad = translator.read(call(b" " * (LARGEST_BODY + 1)))
    assert isinstance(bad, BadReceipt) and bad.reason == "too_large"


def test_a_thousand_recipients_are_cut() -> None:
    gone = [{"emailAddress": f"{number}@example.com"} for number in range(1000)]
    assert len(read(SES, call(sns(bounce(bouncedRecipients=gone))))) == 50


def test_control_characters_and_endless_texts_do_not_get_through() -> None:
    gone = [{"emailAddress": "a\r\nb@x.yz" + "x" * 9000, "diagnosticCode": "\x1b[31m\u2028" + "x" * 9000}]
    (receipt,) = read(SES, call(sns(bounce(bouncedRecipients=gone))))
    assert receipt.error is not None and receipt.error.isprintable() and len(receipt.error) <= 300
    assert receipt.address is not None and receipt.address.isprintable() and len(receipt.address) <= 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ["Type", "MessageId", "Message", "TopicArn", "SubscribeURL", "RecordType", "MessageID", "ID", "Type", "Email"]
INNER = ["mail", "bounce", "complaint", "delivery", "notificationType", "eventType"]
KINDS = ["Bounce", "Delivery", "Complaint", "Notification", "SubscriptionConfirmation", "SpamComplaint", "Reject"]
VALUE = JSON | st.sampled_from(
    [*KINDS, "2026-03-02T12:00:00Z", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00"]
)
EVENT = st.dictionaries(st.sampled_from(INNER), VALUE | st.just(MAIL) | st.just(bounce()["bounce"]))
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(NAMES), VALUE).map(lambda value: json.dumps(value).encode()),
    EVENT.map(lambda value: json.dumps(sns(value)).encode()),
)


@settings(max_examples=300)
@given(BODIES, st.sampled_from([SES, POSTMARK, TWILIO]))
def test_whatever_comes_in_the_answer_is_a_value(body: bytes, translator: Translator) -> None:
    news = translator.read(call(body))
    assert isinstance(news, BadReceipt) or all(isinstance(one, Receipt | Reply | Confirmation) for one in news)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(["CallSid", "MessageSid", "MessageStatus", "CallStatus", "To", "From", "Body", "ErrorCode"])
        | st.text(max_size=10),
        st.sampled_from(["delivered", "failed", "completed", "STOP", "SM" + "0" * 32, "CA" + "0" * 32, "+41791234567"])
        | st.text(max_size=30),
    ),
    st.text(max_size=30),
)
def test_whatever_a_genuine_twilio_says_the_answer_is_a_value(form: dict[str, str], query: str) -> None:
    form = {**form, "AccountSid": str(ACCOUNT.account_sid)}
    url = f"{URL}?{query}"
    body = urlencode(form, errors="replace").encode()
    pairs = [
        (name.encode(errors="replace").decode(), value.encode(errors="replace").decode())
        for name, value in form.items()
    ]
    news = TWILIO.read(Call(url, {"X-Twilio-Signature": twilio_signature("t0ken", url, pairs).decode()}, body))
    assert not isinstance(news, BadReceipt) or news.reason == "malformed"


def read(translator: Translator, one: Call) -> tuple[Receipt, ...]:
    """The receipts in it; a refusal fails the test."""
    news = translator.read(one)
    assert not isinstance(news, BadReceipt), news
    return tuple(item for item in news if isinstance(item, Receipt))
