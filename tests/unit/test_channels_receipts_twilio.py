"""What Twilio reports: who may, what each status means, key presses, STOP and START."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from slotwatch.channels.receipts import BadReceipt, Call, News, Receipt, Reply
from slotwatch.channels.receipts_twilio import TwilioReceipts, twilio_signature
from slotwatch.channels.twilio_settings import SecondTwilioSettings, TwilioSettings

FIRST = TwilioSettings(account_sid="AC" + "0" * 32, auth_token="t0ken", sender="+15550001111")
SECOND = SecondTwilioSettings(account_sid="AC" + "1" * 32, auth_token="other", sender="+15550001111")
TWILIO = TwilioReceipts([FIRST, SECOND])
URL = "https://slotwatch.example/receipts/twilio?delivery=delivery-7"
SMS, CALL = "SM" + "0" * 32, "CA" + "0" * 32


def signed(form: dict[str, str], *, url: str = URL, token: str = "t0ken", **changes: Any) -> Call:
    given = {"AccountSid": str(FIRST.account_sid), **form}
    signature = RequestValidator(token).compute_signature(url, given)
    return Call(
        changes.get("seen_as", url),
        {"X-Twilio-Signature": changes.get("signature", signature)},
        changes.get("body", urlencode(given).encode()),
    )


def news(form: dict[str, str]) -> tuple[News, ...]:
    found = TWILIO.read(signed(form))
    assert not isinstance(found, BadReceipt), found
    return found


def message(status: str, **more: str) -> dict[str, str]:
    return {"MessageSid": SMS, "SmsSid": SMS, "MessageStatus": status, "To": "+41791234567", "From": "+1555", **more}


def phone_call(status: str, **more: str) -> dict[str, str]:
    return {"CallSid": CALL, "CallStatus": status, "To": "+41791234567", "From": "+15550001111", **more}


# Messages


def test_a_delivered_sms_is_delivered_and_names_its_delivery() -> None:
    assert news(message("delivered")) == (
        Receipt(
            provider="twilio",
            channel="sms",
            message_id=SMS,
            status="delivered",
            event_id=f"{SMS}:delivered",
            address="+41791234567",
            key="delivery-7",
        ),
    )


@pytest.mark.parametrize(
    ("form", "status", "suppress", "words"),
    [
        (message("sent"), "sent", False, None),
        (message("read", To="whatsapp:+41791234567"), "delivered", False, None),
        (message("undelivered", ErrorCode="30003"), "failed", False, "the phone is off or out of reach (Twilio error"),
        (message("undelivered", ErrorCode="30005"), "failed", True, "the number does not exist"),
        (message("failed", ErrorCode="21610"), "failed", True, "the recipient said STOP"),
        (message("failed", ErrorCode="63003", To="whatsapp:+4179"), "failed", True, "not on WhatsApp"),
        (message("failed", ErrorCode="99999", ErrorMessage="odd\r\n"), "failed", False, "odd (Twilio error 99999)"),
        (message("canceled"), "failed", False, "the message was canceled"),
    ],
)
def test_every_status_means_one_thing(form: dict[str, str], status: str, suppress: bool, words: str | None) -> None:
    (receipt,) = news(form)
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.suppress) == (status, suppress)
    assert (receipt.error is None) if words is None else words in (receipt.error or "")


@pytest.mark.parametrize("status", ["accepted", "queued", "sending", "scheduled", "receiving", "something new", ""])
def test_what_says_nothing_yet_is_read_as_nothing(status: str) -> None:
    assert news(message(status)) == ()


def test_whatsapp_is_told_from_sms() -> None:
    (receipt,) = news(message("delivered", To="whatsapp:+41791234567"))
    assert isinstance(receipt, Receipt)
    assert (receipt.channel, receipt.address) == ("whatsapp", "+41791234567")


# Calls


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (phone_call("completed", AnsweredBy="human"), "delivered"),
        (phone_call("completed", AnsweredBy="machine_start"), "failed"),
        (phone_call("completed", AnsweredBy="machine_end_beep"), "failed"),
        (phone_call("completed", AnsweredBy="fax"), "failed"),
        (phone_call("completed", AnsweredBy="unknown"), "sent"),
        (phone_call("completed"), "sent"),
        (phone_call("busy"), "failed"),
        (phone_call("no-answer"), "failed"),
        (phone_call("failed"), "failed"),
        (phone_call("canceled"), "failed"),
    ],
)
def test_only_a_person_who_answers_counts_as_delivered(form: dict[str, str], status: str) -> None:
    (receipt,) = news(form)
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.channel, receipt.heard) == (status, "voice", False)


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress"])
def test_a_call_under_way_is_read_as_nothing(status: str) -> None:
    assert news(phone_call(status)) == ()


def test_a_key_press_is_heard_and_dated() -> None:
    (receipt,) = news(phone_call("in-progress", Digits="1", Timestamp="Mon, 02 Mar 2026 12:00:00 +0000"))
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.heard, receipt.event_id) == ("delivered", True, f"{CALL}:heard")
    assert receipt.at is not None and receipt.at.isoformat() == "2026-03-02T12:00:00+00:00"


# Replies

STOPS = [
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPTOUT",
    "ARRET",
    "TD",
    "OPT-OUT",
    "REMOVE",
]


def reply(text: str, **more: str) -> dict[str, str]:
    return {"MessageSid": SMS, "SmsStatus": "received", "From": "+41791234567", "To": "+1555", "Body": text, **more}


@pytest.mark.parametrize(
    "word", [*STOPS, *map(str.lower, STOPS), " Stop. ", "stop\n", "Arrêt", "STOP!", "\uff33\uff34\uff2f\uff30"]
)
def test_every_opt_out_word_is_understood(word: str) -> None:
    assert news(reply(word)) == (
        Reply(provider="twilio", channel="sms", address="+41791234567", wants="stop", event_id=SMS),
    )


@pytest.mark.parametrize(
    ("word", "wants"), [("START", "start"), ("unstop", "start"), ("Yes", "start"), ("help", "help")]
)
def test_start_and_help_are_understood(word: str, wants: str) -> None:
    (found,) = news(reply(word))
    assert isinstance(found, Reply) and found.wants == wants


@pytest.mark.parametrize("text", ["", "Stop by later", "I will not cancel", "ENDE", "ok", "stopstop", "🛑"])
def test_other_texts_say_nothing(text: str) -> None:
    assert news(reply(text)) == ()


def test_what_twilio_understood_itself_counts_before_the_text() -> None:
    (found,) = news(reply("basta", OptOutType="STOP", From="whatsapp:+41791234567"))
    assert isinstance(found, Reply)
    assert (found.wants, found.channel, found.address) == ("stop", "whatsapp", "+41791234567")


# Who may report


@given(
    st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=20), max_size=8),
    st.sampled_from([URL, "https://slotwatch.example:8443/x", "http://127.0.0.1:9/?a=b&a=c", "https://x.example"]),
)
def test_our_signature_is_twilios(form: dict[str, str], url: str) -> None:
    ours = twilio_signature("t0ken", url, list(form.items())).decode()
    assert RequestValidator("t0ken").compute_signature(url, form) == ours
    assert RequestValidator("t0ken").validate(url, form, ours)


@pytest.mark.parametrize(
    ("url", "seen_as"),
    [
        ("https://slotwatch.example/r", "https://slotwatch.example:443/r"),
        ("https://slotwatch.example:443/r", "https://slotwatch.example/r"),
        ("https://slotwatch.example/r", "https://slotwatch.example:8443/r"),
    ],
)
def test_a_port_in_the_address_does_not_matter(url: str, seen_as: str) -> None:
    assert not isinstance(TWILIO.read(signed(message("delivered"), url=url, seen_as=seen_as)), BadReceipt)


@pytest.mark.parametrize(
    "forged",
    [
        signed(message("delivered"), signature=""),
        signed(message("delivered"), signature="ключ"),
        signed(message("delivered"), token="wrong"),
        signed(message("delivered"), seen_as=URL + "8"),
        signed(message("delivered"), seen_as="https://[::1"),
        signed({**message("delivered"), "AccountSid": str(SECOND.account_sid)}),
        signed({**message("delivered"), "AccountSid": "AC" + "9" * 32}),
        signed({**message("delivered"), "AccountSid": ""}),
        Call(URL, {}, urlencode({"AccountSid": str(FIRST.account_sid), **message("delivered")}).encode()),
        signed(message("delivered"), body=signed(message("failed")).body),
        signed(message("delivered"), body=signed(message("delivered")).body + b"&Extra=1"),
    ],
)
def test_a_call_that_is_not_signed_by_our_account_is_not_believed(forged: Call) -> None:
    bad = TWILIO.read(forged)
    assert isinstance(bad, BadReceipt) and bad.reason == "forged"


def test_each_account_signs_with_its_own_token_and_is_named() -> None:
    form = {**message("delivered"), "AccountSid": str(SECOND.account_sid)}
    (receipt,) = TWILIO.read(signed(form, token="other"))  # type: ignore[misc]  # a refusal would fail right here
    assert isinstance(receipt, Receipt) and receipt.provider == "twilio2"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"&".join(b"a%d=b" % number for number in range(1000)), b"AccountSid=%ff"]
)
def test_a_body_that_is_no_form_is_malformed(body: bytes) -> None:
    bad = TWILIO.read(Call(URL, {}, body))
    assert isinstance(bad, BadReceipt) and bad.reason == "malformed"


@pytest.mark.parametrize("sid", ["", "SM1", SMS + "\n", "AC" + "0" * 32])
def test_a_call_about_nothing_is_malformed(sid: str) -> None:
    bad = TWILIO.read(signed({**message("delivered"), "MessageSid": sid, "SmsSid": ""}))
    assert isinstance(bad, BadReceipt) and bad.reason == "malformed"


def test_without_an_account_nobody_is_believed() -> None:
    with pytest.raises(ValueError, match="SLOTWATCH_TWILIO_ACCOUNT_SID"):
        TwilioReceipts([TwilioSettings()])
