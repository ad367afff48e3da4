"""Receipts: forged, late, twice, in any order; what fails in delivery goes by another channel."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from twilio.request_validator import RequestValidator

from slotwatch.channels.receipts import Receipt, ReceiptSettings, ReceiptStatus, Translator
from slotwatch.channels.receipts_postmark import PostmarkReceipts
from slotwatch.channels.receipts_ses import SesReceipts
from slotwatch.channels.receipts_twilio import TwilioReceipts
from slotwatch.channels.twilio_settings import TwilioSettings
from slotwatch.domain.booking import Booking
from slotwatch.domain.notices import Channel
from slotwatch.outbox.receipts import Applied, ReceiptBook
from slotwatch.web.api.webhooks import Receivers
from tests.conftest import NOON, Town
from tests.integration.web.conftest import client_of, make_app, running
from tests.support.crew import Crew

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TWILIO = TwilioSettings(account_sid="AC" + "0" * 32, auth_token="t0ken", sender="+15550001111")
ADDRESS = "https://slots.example/api/webhooks/twilio"
SECRET = "a-long-enough-secret"


@pytest.fixture
def book(crew: Crew) -> ReceiptBook:
    """Where receipts are entered."""
    return ReceiptBook(crew.desk.database, crew.clock, crew.desk.channels)


def said(status: ReceiptStatus, channel: Any = "sms", event: str = "e1", **more: Any) -> Receipt:
    """A receipt for the first notice, as the double of a provider would give it."""
    given = {"provider": "double", "message_id": f"id-1-{channel}", **more}
    return Receipt(channel=channel, status=status, event_id=event, **given)


async def told(crew: Crew, town: Town) -> Booking:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.deliver()
    return booking


async def states(crew: Crew) -> dict[str, str]:
    return {row["channel"]: row["state"] for row in await crew.rows("SELECT channel, state FROM delivery")}


async def test_what_the_provider_delivered_is_delivered_and_what_has_no_receipt_stays_sent(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    await told(crew, town)
    assert await book.enter([said("delivered")]) == Applied(arrived=1, known=1, risen=1, opened=0, suppressed=0)
    assert await crew.value("SELECT notice_id FROM receipt") == 1  # known by the message's id alone
    assert await states(crew) == {"email": "sent", "sms": "delivered"}


@pytest.mark.parametrize("order", [("sent", "delivered", "failed"), ("delivered", "failed", "sent")])
async def test_a_status_never_falls(
    crew: Crew, town: Town, book: ReceiptBook, order: tuple[ReceiptStatus, ...]
) -> None:
    await told(crew, town)
    for status in order:
        await book.enter([said(status, event=status)])
    assert (await states(crew))["sms"] == "delivered"


async def test_a_receipt_that_comes_again_or_that_nobody_knows_changes_nothing(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    await told(crew, town)
    await book.enter([said("failed")])
    assert await book.enter([said("failed")]) == Applied(0, 0, 0, 0, 0)
    assert await book.enter([said("delivered", event="e2", message_id="of-another-app")]) == Applied(1, 0, 0, 0, 0)
    assert (await states(crew))["sms"] == "failed"


async def test_a_failed_delivery_opens_the_other_channel(crew: Crew, town: Town, book: ReceiptBook) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.starts_at - HOUR)
    notice = await crew.value("SELECT id FROM notice WHERE kind = 'reminder'")
    bounced = said("failed", "email", message_id=f"id-{notice}-email", error="the mail bounced")
    assert (await book.enter([bounced])).opened == 1
    await crew.deliver()
    assert await crew.deliveries(booking, "reminder") == {"email": "failed", "sms": "sent"}


async def test_a_failure_after_the_notice_is_stale_opens_nothing(crew: Crew, town: Town, book: ReceiptBook) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.live_until(booking.timeline.starts_at + MINUTE)
    notice = await crew.value("SELECT id FROM notice WHERE kind = 'reminder'")
    assert (await book.enter([said("failed", "email", message_id=f"id-{notice}-email")])).opened == 0


async def test_a_receipt_that_comes_before_its_delivery_is_on_record_waits(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    await book.enter([said("delivered")])
    await told(crew, town)
    assert (await states(crew))["sms"] == "sent"
    assert (await book.look_again()).risen == 1
    assert await crew.value("SELECT notice_id FROM receipt") == 1
    assert (await states(crew))["sms"] == "delivered"
    assert await book.look_again() == Applied(0, 0, 0, 0, 0)


async def test_a_receipt_that_overtakes_our_own_record_stands_and_the_try_is_counted(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    crew.sms.gate = asyncio.Event()
    sending = asyncio.create_task(crew.senders[Channel.SMS].run_once())
    await crew.sms.entered.wait()
    assert (await book.enter([said("delivered", key=await crew.key_of(1, "sms"))])).risen == 1
    crew.sms.gate.set()
    assert (await sending).lost == 0
    row = (await crew.rows("SELECT * FROM delivery WHERE channel = 'sms'"))[0]
    assert (row["state"], row["attempts"], row["handed_over"], row["error"]) == ("delivered", 1, None, None)
    assert await crew.value("SELECT messages FROM spend") == 1
    assert await crew.value("SELECT outcome FROM attempt") == "accepted"


async def test_a_key_finds_a_delivery_whose_answer_was_lost_and_it_is_not_sent_again(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    await crew.booked(town.driver, town.connectors[0], town.slot())
    await book.enter([said("sent", key=await crew.key_of(1, "sms"))])
    await crew.deliver()
    assert crew.sms.taken == []
    assert await states(crew) == {"email": "sent", "sms": "sent"}


def _others_keys(key: str) -> list[str]:
    """Keys of an earlier version, of another house with the same numbers, and of ours before a backup was put back."""
    number, stamp, channel = key.split("-")
    return [f"{number}-{channel}", f"{number}-{int(stamp, 16) + 1:x}-{channel}", f"{number}-1-{channel}"]


@pytest.mark.parametrize("channel", ["email", "sms"])
async def test_a_report_of_another_house_changes_no_delivery_of_ours(
    crew: Crew, town: Town, book: ReceiptBook, channel: str
) -> None:
    await told(crew, town)
    own = await crew.key_of(1, channel)
    for number, key in enumerate(_others_keys(own)):
        for status in ("failed", "delivered"):
            event = f"{number}:{status}"
            assert (await book.enter([said(status, channel, event, message_id=event, key=key)])).known == 0
    assert (await book.look_again()).risen == 0
    assert await states(crew) == {"email": "sent", "sms": "sent"}
    assert (await book.enter([said("delivered", channel, "ours", message_id="lost", key=own)])).risen == 1


async def test_a_report_of_another_house_strikes_no_delivery_that_gets_the_same_number_later(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    for number, key in enumerate(("1-sms", "1-1-sms")):
        await book.enter([said("failed", event=str(number), message_id="of-another-house", key=key)])
    await crew.booked(town.driver, town.connectors[0], town.slot())
    assert await book.look_again() == Applied(0, 0, 0, 0, 0)
    assert await states(crew) == {"email": "pending", "sms": "pending"}


async def test_a_bounce_of_a_mail_from_another_house_is_not_ours_though_it_has_our_form(
    crew: Crew, town: Town, web: httpx.AsyncClient
) -> None:
    await told(crew, town)
    ours = await crew.key_of(1, "email")
    known = httpx.BasicAuth("sns", SECRET)
    for number, key in enumerate([*_others_keys(ours), ours]):
        assert await states(crew) == {"email": "sent", "sms": "sent"}
        event = {
            "notificationType": "Bounce",
            "mail": {
                "messageId": f"ses-{number}",
                "commonHeaders": {"messageId": f"<slotwatch.{key}@staging.other.example>"},
            },
            "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "x@example.org"}]},
        }
        call = {"Type": "Notification", "MessageId": f"m-{number}", "Message": json.dumps(event)}
        assert (await web.post("/api/webhooks/ses", content=json.dumps(call), auth=known)).status_code == 200
    assert (await states(crew))["email"] == "failed"


async def test_a_bounce_suppresses_the_address_and_later_notices_take_the_other_channel(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot(starts_in=2 * HOUR))
    await crew.deliver()
    gone = said(
        "failed", "email", suppress=True, address="Mira@Example.org", error="550 <mira@example.org> is no such user"
    )
    assert (await book.enter([gone])).suppressed == 1
    await crew.live_until(booking.timeline.starts_at - HOUR)
    assert await crew.deliveries(booking, "reminder") == {"email": "suppressed", "sms": "sent"}
    error = await crew.value("SELECT error FROM delivery WHERE state = 'suppressed'")
    assert error == "email is no longer sent to this address: 550 the recipient is no such user"


async def test_a_bounce_whose_mail_nobody_knows_suppresses_the_address_once(
    crew: Crew, town: Town, book: ReceiptBook
) -> None:
    gone = said("failed", "email", message_id="of-nobody", suppress=True, address="Mira@Example.org", error="550 gone")
    assert await book.enter([gone]) == Applied(arrived=1, known=0, risen=0, opened=0, suppressed=1)
    await crew.execute("DELETE FROM suppression")
    assert (await book.enter([gone])).suppressed == 0
    assert (await book.look_again()).suppressed == 0


async def test_a_mail_provider_reports_on_the_second_server_too(crew: Crew, town: Town, book: ReceiptBook) -> None:
    await told(crew, town)
    await crew.execute("UPDATE delivery SET provider = 'smtp2', provider_message_id = 'ses-1' WHERE channel = 'email'")
    bounced = said("failed", "email", provider="smtp", message_id="ses-1")
    assert (await book.enter([bounced])).risen == 1


async def test_ten_thousand_receipts_shuffled_and_repeated_give_one_end_state(crew: Crew, book: ReceiptBook) -> None:
    await crew.execute(
        "INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)"
        " SELECT n, 'booking_confirmed', '', 0, $1, $1 FROM generate_series(1, 2500) AS n",
        NOON + HOUR,
    )
    await crew.execute(
        "INSERT INTO delivery (notice_id, channel, state, urgency, next_attempt_at, provider, provider_message_id)"
        " SELECT n.id, c, (ARRAY['sent', 'unknown', 'pending'])[1 + n.id % 3], 1, $1, 'double',"
        " 'id-' || n.id || '-' || c"
        " FROM notice AS n CROSS JOIN unnest(ARRAY['email', 'sms']) AS c",
        NOON,
    )
    dice = random.Random(7)
    rows = await crew.rows("SELECT provider_message_id AS id, channel FROM delivery ORDER BY 1")
    receipts, expected = [], {}
    for row in rows:
        last: ReceiptStatus = dice.choice(["sent", "delivered", "failed"])
        expected[row["id"]] = last
        for status in ("sent", last):
            event = f"{row['id']}:{status}"
            address = f"{row['id']}@example.org"
            receipts.append(
                said(status, row["channel"], event, message_id=row["id"], suppress=status == "failed", address=address)
            )
    assert len(receipts) == 10_000
    for _ in range(2):
        dice.shuffle(receipts)
        for at in range(0, len(receipts), 500):
            async with crew.desk.database.transaction() as conn:
                await book.apply(conn, receipts[at : at + 500])
        found = await crew.rows("SELECT provider_message_id AS id, state FROM delivery")
        assert {row["id"]: row["state"] for row in found} == expected
        failed = sum(state == "failed" for state in expected.values())
        assert await crew.value("SELECT count(*) FROM suppression") == failed


@pytest.fixture
async def web(crew: Crew, book: ReceiptBook) -> AsyncIterator[httpx.AsyncClient]:
    """The application, told of Twilio, Postmark and Amazon SES."""
    translators: dict[str, Translator] = {
        "twilio": TwilioReceipts([TWILIO]),
        "postmark": PostmarkReceipts(ReceiptSettings(secret=SECRET), provider="double"),
        "ses": SesReceipts(ReceiptSettings(secret=SECRET), provider="double"),
    }
    addresses = {
        "twilio": ["https://elsewhere.example/", ADDRESS],
        "postmark": ["https://slots.example/"],
        "ses": ["https://slots.example/"],
    }
    app = make_app(crew.desk, receivers=Receivers(book, translators, addresses))
    async with running(app), client_of(app) as client:
        yield client


async def _twilio_calls(web: httpx.AsyncClient, *, token: str = "t0ken", query: str, **form: str) -> httpx.Response:
    fields = {"AccountSid": str(TWILIO.account_sid), "To": "+15005550010", **form}
    url = f"{ADDRESS}?{query}"
    signature = RequestValidator(token).compute_signature(url, fields)
    return await web.post(f"/api/webhooks/twilio?{query}", data=fields, headers={"X-Twilio-Signature": signature})


async def test_twilio_reports_through_a_proxy_and_a_forger_is_refused(
    crew: Crew, town: Town, web: httpx.AsyncClient
) -> None:
    await told(crew, town)
    sid, query = "SM" + "0" * 32, f"delivery={await crew.key_of(1, 'sms')}"
    forged = await _twilio_calls(web, token="guessed", query=query, MessageSid=sid, MessageStatus="failed")
    assert (forged.status_code, forged.json()["code"]) == (403, "forged_receipt")
    assert (await states(crew))["sms"] == "sent"
    for _ in range(2):
        answer = await _twilio_calls(web, query=query, MessageSid=sid, MessageStatus="delivered")
        assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert (await states(crew))["sms"] == "delivered"


@pytest.mark.parametrize(("lang", "spoken_as"), [("de", "de-DE"), ("fr", "fr-FR"), ("%3Cx%3E", "en-US")])
async def test_who_presses_a_key_during_a_call_is_thanked_in_the_language_of_the_call(
    crew: Crew, town: Town, web: httpx.AsyncClient, lang: str, spoken_as: str
) -> None:
    await told(crew, town)
    query = f"delivery=1-voice&lang={lang}"
    answer = await _twilio_calls(web, query=query, CallSid="CA" + "0" * 32, CallStatus="in-progress", Digits="1")
    assert answer.status_code == 200 and f'<Say language="{spoken_as}"' in answer.text


async def test_postmark_bounces_reach_the_delivery_and_hostile_bodies_are_refused(
    crew: Crew, town: Town, web: httpx.AsyncClient
) -> None:
    await told(crew, town)
    bounce = {
        **{"RecordType": "Bounce", "Type": "HardBounce", "MessageID": "pm-1", "ID": 1, "Email": "mira@example.org"},
        **{"Metadata": {"delivery": await crew.key_of(1, "email")}},
    }
    assert (await web.post("/api/webhooks/postmark", json=bounce)).status_code == 401
    guessed = httpx.BasicAuth("postmark", "guessed")
    assert (await web.post("/api/webhooks/postmark", json=bounce, auth=guessed)).status_code == 403
    known = httpx.BasicAuth("postmark", SECRET)
    assert (await web.post("/api/webhooks/postmark", json=bounce, auth=known)).status_code == 200
    assert (await states(crew))["email"] == "failed"
    assert (await web.post("/api/webhooks/postmark", content=b"[" * 9000, auth=known)).status_code == 400
    assert (await web.post("/api/webhooks/postmark", content=b" " * 600_000, auth=known)).status_code == 413
    assert (await web.post("/api/webhooks/nobody", json=bounce)).status_code == 404


async def test_sns_sends_its_password_only_when_asked_and_is_then_confirmed_and_believed(
    crew: Crew, town: Town, web: httpx.AsyncClient
) -> None:
    async def sns_calls(call: dict[str, Any]) -> int:
        """As SNS does it: plain first, with the password of the address when a realm asks for one; 4xx ends it."""
        raw, plain = json.dumps(call), {"Content-Type": "text/plain; charset=UTF-8"}
        answer = await web.post("/api/webhooks/ses", content=raw, headers=plain)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="slotwatch"'
        known = httpx.BasicAuth("sns", SECRET)
        return (await web.post("/api/webhooks/ses", content=raw, headers=plain, auth=known)).status_code

    await told(crew, town)
    await crew.execute("UPDATE delivery SET provider_message_id = '0102018f' WHERE channel = 'email'")
    envelope = {"MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-central-1:1:bounces"}
    confirm = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"
    wanted = {"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe", "SubscribeURL": confirm}
    assert await sns_calls({**envelope, **wanted}) == 200
    words = "Successfully validated SNS topic for Amazon SES event publishing."
    assert await sns_calls({**envelope, "Type": "Notification", "Message": words}) == 200
    bounced = {
        **{"eventType": "Bounce", "mail": {"messageId": "0102018f"}},
        "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "mira@example.org"}]},
    }
    assert await sns_calls({**envelope, "Type": "Notification", "Message": json.dumps(bounced)}) == 200
    assert (await states(crew))["email"] == "failed"
