"""SMS by Twilio: against the Twilio-compatible server, and against an HTTP server that says what Twilio can say."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from slotwatch.channels import Accepted, Failed, Message, Outcome, Refused, TwilioSettings, TwilioSms
from tests.integration.channels.http_double import ENDLESS, HttpDouble, http_double, reply, twilio_error
from tests.integration.channels.raw_server import listener, saying
from tests.integration.channels.rigs import ACCOUNT_SID
from tests.twilio_double import TwilioDouble

AMPLE = 5.0
SHORT = 0.2
DRIVER = "+41791234567"


def message(to: str = DRIVER, key: str = "delivery-1", text: str = "Your slot begins. Go.") -> Message:
    return Message(key=key, to=to, subject=None, text=text)


@contextlib.asynccontextmanager
async def channel(base_url: str, **changes: Any) -> AsyncIterator[TwilioSms]:
    given = {"account_sid": ACCOUNT_SID, "auth_token": "secret", "sender": "+15550001111", **changes}
    one = TwilioSms(TwilioSettings(base_url=base_url, **given))
    yield one
    await one.close()


async def answered(answer: bytes) -> Outcome:
    """The outcome when Twilio answers that."""
    async with http_double() as double, channel(double.base_url) as one:
        double.answers[DRIVER] = answer
        return await one.send(message(), timeout=AMPLE)


# The Twilio-compatible server


@pytest.fixture
def own(emulate: TwilioDouble) -> dict[str, Any]:
    return {"account_sid": emulate.account_sid, "auth_token": emulate.auth_token, "sender": emulate.number}


@pytest.mark.node
async def test_an_sms_arrives_at_the_twilio_compatible_server(emulate: TwilioDouble, own: dict[str, Any]) -> None:
    async with channel(emulate.base_url, **own) as one:
        outcome = await one.send(message("+41790001001", text="Dein Slot beginnt, Jürgen ⚡"), timeout=AMPLE)
        assert await one.check() is None

    (kept,) = emulate.messages("+41790001001")
    assert outcome == Accepted(str(kept["sid"]))
    assert (kept["body"], kept["from"]) == ("Dein Slot beginnt, Jürgen ⚡", emulate.number)


@pytest.mark.node
async def test_a_wrong_token_names_the_setting(emulate: TwilioDouble, own: dict[str, Any]) -> None:
    async with channel(emulate.base_url, **{**own, "auth_token": "wr0ng"}) as one:
        outcome = await one.send(message("+41790001002"), timeout=AMPLE)
        assert "SLOTWATCH_TWILIO_ACCOUNT_SID" in (await one.check() or "")

    assert isinstance(outcome, Failed)
    assert "SLOTWATCH_TWILIO_ACCOUNT_SID" in outcome.error
    assert "wr0ng" not in outcome.error


@pytest.mark.node
@pytest.mark.parametrize(
    "change", [{"sender": "+15559998888"}, {"sender": None, "messaging_service_sid": "MG" + "9" * 32}]
)
async def test_a_sender_that_is_not_ours_is_our_own_trouble(
    emulate: TwilioDouble, own: dict[str, Any], change: dict[str, Any]
) -> None:
    async with channel(emulate.base_url, **{**own, **change}) as one:
        outcome = await one.send(message("+41790001003"), timeout=AMPLE)

    assert isinstance(outcome, Failed)
    assert "look at SLOTWATCH_TWILIO_" in outcome.error


@pytest.mark.node
async def test_the_double_does_not_know_idempotency_tokens(emulate: TwilioDouble, own: dict[str, Any]) -> None:
    async with channel(emulate.base_url, **own) as one:
        first = await one.send(message("+41790001004"), timeout=AMPLE)
        assert await one.send(message("+41790001004"), timeout=AMPLE) != first

    assert len(emulate.messages("+41790001004")) == 2


@pytest.mark.node
def test_the_double_signs_status_callbacks_so_that_twilios_own_validator_accepts_them(emulate: TwilioDouble) -> None:
    with _callback_server() as (url, callbacks):
        form = {"To": "+41790001005", "From": emulate.number, "Body": "Go.", "StatusCallback": url}
        with httpx.Client(auth=(emulate.account_sid, emulate.auth_token), trust_env=False) as client:
            path = f"{emulate.base_url}/2010-04-01/Accounts/{emulate.account_sid}/Messages.json"
            sid = client.post(path, data=form).json()["sid"]
        for status in ("sent", "failed"):
            emulate.move(sid, status)

    assert [form["MessageStatus"] for form, _ in callbacks] == ["queued", "sent", "failed"]
    validator = RequestValidator(emulate.auth_token)
    assert all(validator.validate(url, form, signature) for form, signature in callbacks)
    assert not any(validator.validate(url, {**form, "To": DRIVER}, signature) for form, signature in callbacks)


@contextlib.contextmanager
def _callback_server() -> Iterator[tuple[str, list[tuple[dict[str, str], str]]]]:
    callbacks: list[tuple[dict[str, str], str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            callbacks.append((dict(parse_qsl(body, keep_blank_values=True)), self.headers["X-Twilio-Signature"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/status?for=delivery-1", callbacks
        server.shutdown()
        thread.join()


# What is sent


async def test_the_request_is_what_twilio_documents() -> None:
    async with http_double() as double, channel(double.base_url, messaging_service_sid="MG" + "0" * 32) as one:
        await one.send(message(key="delivery-7"), timeout=AMPLE)

    (request,) = double.requests
    assert request.line == f"POST /2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json HTTP/1.1"
    assert request.form == {
        "To": DRIVER,
        "Body": "Your slot begins. Go.",
        "From": "+15550001111",
        "MessagingServiceSid": "MG" + "0" * 32,
    }
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["i-twilio-idempotency-token"] == "delivery-7"


@pytest.mark.parametrize("key", ["a\r\nX-Evil: 1", "ключ", "\x00"])
async def test_a_strange_key_cannot_add_a_header(key: str) -> None:
    async with http_double() as double, channel(double.base_url) as one:
        assert isinstance(await one.send(message(key=key), timeout=AMPLE), Accepted)

    assert "x-evil" not in double.requests[0].headers


@pytest.mark.parametrize("to", ["", "0791234567", "+0791234567", "+41 79 123 45 67", DRIVER + "\n", "sam@example.com"])
async def test_what_is_no_e164_number_is_refused_unsent(to: str) -> None:
    async with http_double() as double, channel(double.base_url) as one:
        assert isinstance(await one.send(message(to), timeout=AMPLE), Refused)
    assert double.requests == []


@pytest.mark.parametrize("text", ["", " \n", "x" * 1601, "broken \ud800"])
async def test_a_text_that_cannot_be_sent_is_refused_unsent(text: str) -> None:
    async with http_double() as double, channel(double.base_url) as one:
        assert isinstance(await one.send(message(text=text), timeout=AMPLE), Refused)
    assert double.requests == []


# What Twilio answers


@pytest.mark.parametrize("code", [21211, 21214, 21265, 21408, 21612, 21614, 21635, 21617, 29999])
async def test_a_number_that_cannot_be_reached_is_refused(code: int) -> None:
    outcome = await answered(twilio_error(400, code, "no way"))

    assert outcome == Refused(f"Twilio answered 400, code {code}: no way")


@pytest.mark.parametrize("said", [DRIVER, DRIVER[1:], "+41 79 123 45 67", f"%2B{DRIVER[1:]}", f"whatsapp:{DRIVER}"])
@pytest.mark.parametrize("status", [400, 500])
async def test_an_error_does_not_tell_the_number(said: str, status: int) -> None:
    outcome = await answered(twilio_error(status, 21211, f"The 'To' number {said} is not valid"))

    assert isinstance(outcome, Refused | Failed)
    assert "The 'To' number the recipient is not valid" in outcome.error


@pytest.mark.parametrize("status", [400, 403])
async def test_who_said_stop_is_refused_and_suppressed(status: int) -> None:
    outcome = await answered(twilio_error(status, 21610))

    assert isinstance(outcome, Refused)
    assert outcome.suppress


@pytest.mark.parametrize(
    ("status", "code", "setting"),
    [
        (401, 20003, "_ACCOUNT_SID"),
        (403, 20003, "_ACCOUNT_SID"),
        (403, None, "_ACCOUNT_SID"),
        (404, 20404, "_ACCOUNT_SID"),
        (400, 20404, "_ACCOUNT_SID"),
        (400, 21212, "_FROM"),
        (400, 21606, "_FROM"),
        (400, 21703, "_FROM"),
    ],
)
async def test_our_own_trouble_is_failed_and_names_the_setting(status: int, code: int | None, setting: str) -> None:
    outcome = await answered(twilio_error(status, code))

    assert isinstance(outcome, Failed)
    assert f"look at SLOTWATCH_TWILIO{setting}" in outcome.error


@pytest.mark.parametrize(("status", "code"), [(429, 20429), (500, 20500), (503, None), (400, 21611), (409, None)])
async def test_trouble_at_twilio_is_failed(status: int, code: int | None) -> None:
    assert isinstance(await answered(twilio_error(status, code)), Failed)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7"}, timedelta(seconds=7)),
        ({"Retry_After": "0"}, timedelta()),
        ({"Retry_After": "9" * 5000}, timedelta(hours=1)),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "Sun, 22 Nov 2026 18:00:30 GMT"}, None),
        (
            {"Retry_After": "Sun, 22 Nov 2026 18:00:30 GMT", "Date": "Sun, 22 Nov 2026 18:00:00 GMT"},
            timedelta(seconds=30),
        ),
        ({"Retry_After": "Sun, 22 Nov 2026 17:00:00 GMT", "Date": "Sun, 22 Nov 2026 18:00:00 GMT"}, timedelta()),
        ({"Retry_After": "Fri, 31 Dec 9999 00:00:00 GMT", "Date": "Sun, 22 Nov 2026 18:00:00 GMT"}, timedelta(hours=1)),
        ({}, None),
    ],
)
async def test_retry_after_is_honoured_and_never_more_than_an_hour(
    headers: dict[str, str], wait: timedelta | None
) -> None:
    outcome = await answered(twilio_error(429, 20429, **headers))

    assert isinstance(outcome, Failed)
    assert outcome.retry_after == wait


async def test_a_message_that_twilio_takes_and_fails_at_once_is_not_accepted() -> None:
    sid = "SM" + "0" * 32
    stopped = {"sid": sid, "status": "failed", "error_code": 21610, "error_message": "unsubscribed"}
    assert isinstance(await answered(reply(201, stopped)), Refused)
    assert isinstance(await answered(reply(201, {"sid": sid, "status": "failed", "error_code": 30001})), Failed)
    assert isinstance(await answered(reply(201, {"sid": sid, "status": "failed"})), Failed)


async def test_a_lost_answer_says_that_the_sms_may_have_gone_out_and_is_not_tried_again() -> None:
    async with http_double() as double, channel(double.base_url) as one:
        double.answers[DRIVER] = b"HTTP/1.1 201 Created\r\nContent-Le"
        outcome = await one.send(message(), timeout=1)

    assert isinstance(outcome, Failed)
    assert "may have been accepted" in outcome.error
    assert len(double.requests) == 1


async def test_nobody_at_the_address_does_not_claim_that_the_sms_may_have_gone_out() -> None:
    async with http_double() as double:
        url = double.base_url
    async with channel(url) as one:
        outcome = await one.send(message(), timeout=AMPLE)
        assert "cannot be reached" in (await one.check() or "")

    assert isinstance(outcome, Failed)
    assert "may have been accepted" not in outcome.error


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (reply(200, {"status": "suspended"}), "the Twilio account is suspended"),
        (twilio_error(401, 20003), "SLOTWATCH_TWILIO_ACCOUNT_SID"),
        (reply(200, b"<html>"), "not what it documents"),
        (reply(302, b"", Location="http://127.0.0.1:9/"), "302"),
    ],
)
async def test_the_check_says_in_words_what_is_wrong(account: bytes, words: str) -> None:
    async with http_double() as double, channel(double.base_url) as one:
        double.account = account
        assert words in (await one.check() or "")


# Hostile servers


async def test_a_redirect_is_not_followed() -> None:
    async with http_double() as elsewhere, http_double() as double, channel(double.base_url) as one:
        for status in (301, 302, 307, 308):
            double.answers[DRIVER] = reply(status, b"", Location=elsewhere.base_url + "/")
            assert isinstance(await one.send(message(), timeout=AMPLE), Failed)

    assert elsewhere.requests == []


async def test_an_answer_without_end_is_cut_off_and_the_channel_goes_on() -> None:
    async with http_double() as double, channel(double.base_url, connections=1) as one:
        double.answers[DRIVER] = ENDLESS
        outcome = await one.send(message(), timeout=AMPLE)
        assert isinstance(outcome, Failed)
        assert "64 KiB" in outcome.error
        assert isinstance(await one.send(message("+41791111111"), timeout=AMPLE), Accepted)


GOOD_SID = "SM" + "0" * 32
HOSTILE = {
    "not JSON": reply(201, b"<html>ok</html>"),
    "empty": reply(201, b""),
    "a list": reply(201, []),
    "no id": reply(201, {"status": "queued"}),
    "id of the wrong type": reply(201, {"sid": 7}),
    "id of another kind": reply(201, {"sid": "AC" + "0" * 32}),
    "id with a line break": reply(201, {"sid": GOOD_SID + "\n"}),
    "huge": reply(201, {"sid": GOOD_SID, "padding": "x" * 70_000}),
    "deep": reply(201, b"[" * 60_000),
    "packed": reply(201, b"\x1f\x8b\x08\x00garbage", Content_Encoding="gzip"),
    "not UTF-8": reply(201, b'{"sid": "\xff"}'),
    "accepted but elsewhere": reply(202, {"sid": GOOD_SID}),
    "nothing to say": b"HTTP/1.1 204 No Content\r\n\r\n",
    "error that is no JSON": reply(500, b"\x00\x1b[31m" * 100),
    "error of the wrong type": reply(500, {"code": "21610", "message": {"a": 1}}),
    "error with control characters": twilio_error(503, 20500, "\x00\x1b[31m\u2028" + "x" * 5000),
    "not yet": b"HTTP/1.1 100 Continue\r\n\r\n",
    "not HTTP": b"220 mail.example ESMTP\r\n",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 50_000,
    "lying length": b"HTTP/1.1 201 Created\r\nContent-Length: -1\r\n\r\n",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_answer_is_failed_with_a_printable_error(answer: bytes) -> None:
    async with http_double() as double, channel(double.base_url, timeout_seconds=SHORT) as one:
        double.answers[DRIVER] = answer
        outcome = await one.send(message(), timeout=AMPLE)

    assert isinstance(outcome, Failed)
    assert outcome.error.isprintable()
    assert len(outcome.error) <= 400


@settings(max_examples=60)
@given(
    status=st.integers(200, 999),  # after 1xx a client waits for more
    body=st.binary(max_size=200) | st.sampled_from([b'{"code": 21610}', b'{"code": 1e99}', b'{"sid": null}']),
)
def test_whatever_a_server_says_the_outcome_is_a_value(status: int, body: bytes) -> None:
    async def talk_to_it() -> None:
        answer = b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
        async with listener(saying(answer)) as server, channel(f"http://127.0.0.1:{server.port}") as one:
            assert isinstance(await one.send(message(), timeout=AMPLE), Refused | Failed)

    asyncio.run(talk_to_it())


async def test_a_cancelled_send_closes_its_connection() -> None:
    async with http_double() as double, channel(double.base_url) as one:
        await _cancel_while_it_hangs(double, one)
        await asyncio.wait_for(_until_no_connection_is_open(double), 5)


async def _cancel_while_it_hangs(double: HttpDouble, one: TwilioSms) -> None:
    double.answers[DRIVER] = b"(hang)"
    send = asyncio.create_task(one.send(message(), timeout=60))
    await double.hanging.wait()
    send.cancel()
    with pytest.raises(asyncio.CancelledError):
        await send


async def _until_no_connection_is_open(double: HttpDouble) -> None:
    while double.server.open_connections:
        await asyncio.sleep(0.01)
