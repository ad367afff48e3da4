"""WhatsApp and voice: what Twilio is asked, what its answers mean; and receipts of a Twilio that we did not write."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from slotwatch.channels import (
    Accepted,
    Channel,
    Failed,
    Message,
    Outcome,
    Refused,
    TwilioSms,
    VoiceChannel,
    VoiceSettings,
    WhatsAppChannel,
    WhatsAppSettings,
)
from slotwatch.channels.numbers import NumberRules, NumberSettings
from slotwatch.channels.receipts import Call, Receipt
from slotwatch.channels.receipts_twilio import TwilioReceipts
from slotwatch.channels.twilio_settings import TwilioSettings
from slotwatch.channels.voice import thanks
from tests.integration.channels.http_double import Request, http_double, reply, twilio_error
from tests.integration.channels.rigs import twilio_settings, voice, whatsapp
from tests.twilio_double import TwilioDouble

AMPLE = 5.0
DRIVER = "+41791234567"
CALLBACK = "https://slotwatch.example/receipts/twilio"
DE, ANY = "HX" + "0" * 32, "HX" + "1" * 32


def message(**changes: Any) -> Message:
    given = {
        "key": "delivery-7",
        "to": DRIVER,
        "subject": None,
        "text": "Your slot begins.\nGo.",
        "kind": "slot_started",
    }
    return Message(**{**given, **changes})


async def asked(make: Callable[[TwilioSettings], Channel], one: Message, **settings: Any) -> Request:
    """The request that the channel makes for a message."""
    async with http_double() as double:
        channel = make(twilio_settings(double.base_url, **settings))
        assert isinstance(await channel.send(one, timeout=AMPLE), Accepted)
        await channel.close()
    (request,) = double.requests
    return request


async def answered(make: Callable[[TwilioSettings], Channel], answer: bytes) -> Outcome:
    async with http_double() as double:
        double.otherwise = answer
        channel = make(twilio_settings(double.base_url))
        outcome = await channel.send(message(), timeout=1)
        await channel.close()
    return outcome


# WhatsApp


def templated(twilio: TwilioSettings) -> Channel:
    return WhatsAppChannel(twilio, WhatsAppSettings(sender="+15550002222", templates=f"slot_started.de={DE}, *={ANY}"))


async def test_without_a_template_the_text_goes_as_it_is() -> None:
    request = await asked(whatsapp, message())
    assert request.form == {
        "To": f"whatsapp:{DRIVER}",
        "From": "whatsapp:+15550002222",
        "Body": "Your slot begins.\nGo.",
    }


@pytest.mark.parametrize(
    ("lang", "kind", "template"),
    [("de", "slot_started", DE), ("en", "slot_started", ANY), ("de", "reminder", ANY)],
)
async def test_the_template_is_chosen_by_kind_and_language(lang: str, kind: str, template: str) -> None:
    request = await asked(templated, message(lang=lang, kind=kind, url="https://slotwatch.example/b/1"))
    assert "Body" not in request.form
    assert request.form["ContentSid"] == template
    assert json.loads(request.form["ContentVariables"]) == {
        "1": "Your slot begins. Go.",
        "2": "https://slotwatch.example/b/1",
    }


async def test_the_callback_names_the_delivery() -> None:
    for make in (TwilioSms, whatsapp, voice):
        request = await asked(make, message(key="a b&c=ü"), status_callback_url=CALLBACK)
        assert request.form["StatusCallback"] == f"{CALLBACK}?delivery=a%20b%26c%3D%C3%BC"


@pytest.mark.parametrize(
    ("code", "suppress"), [(21610, True), (63003, True), (63024, True), (63016, False), (63041, False)]
)
async def test_who_cannot_be_reached_by_whatsapp_is_refused(code: int, suppress: bool) -> None:
    outcome = await answered(whatsapp, twilio_error(400, code))
    assert isinstance(outcome, Refused)
    assert outcome.suppress is suppress


async def test_a_whatsapp_sender_that_is_not_ours_names_the_setting() -> None:
    outcome = await answered(whatsapp, twilio_error(400, 63007))
    assert isinstance(outcome, Failed)
    assert "look at SLOTWATCH_WHATSAPP_FROM" in outcome.error
    assert outcome.down


async def test_too_many_whatsapp_messages_a_second_are_failed() -> None:
    outcome = await answered(whatsapp, twilio_error(400, 63018))
    assert isinstance(outcome, Failed)


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"sender": "whatsapp:+15550002222"}, "FROM"),
        ({"templates": "HX1"}, "TEMPLATES"),
        ({"templates": f"slot_started={DE};x"}, "TEMPLATES"),
        ({"templates": f"Slot={DE}"}, "TEMPLATES"),
    ],
)
def test_whatsapp_settings_that_cannot_work_are_refused_by_name(change: dict[str, Any], variable: str) -> None:
    with pytest.raises(ValueError, match=f"SLOTWATCH_WHATSAPP_{variable}"):
        WhatsAppSettings(**{"sender": "+15550002222", **change})


# Voice


def spoken(request: Request) -> ElementTree.Element:
    return ElementTree.fromstring(request.form["Twiml"])


async def test_a_call_says_the_text_twice_and_asks_for_a_key() -> None:
    request = await asked(voice, message(lang="de", text="Ihr Slot beginnt."), status_callback_url=CALLBACK)

    assert request.path.endswith("/Calls.json")
    assert (request.form["MachineDetection"], request.form["Timeout"]) == ("Enable", "25")
    gathers = spoken(request).findall("Gather")
    assert len(gathers) == 2
    for gather in gathers:
        assert gather.get("numDigits") == "1"
        assert gather.get("action") == f"{CALLBACK}?delivery=delivery-7&lang=de"
        text, ask = gather.findall("Say")
        assert (text.text, text.get("language")) == ("Ihr Slot beginnt.", "de-DE")
        assert "Taste" in (ask.text or "")


async def test_without_an_address_for_the_key_press_none_is_asked_for() -> None:
    request = await asked(voice, message())
    assert spoken(request).findall("Gather") == []
    assert [say.text for say in spoken(request).findall("Say")] == ["Your slot begins. Go."] * 2
    assert "StatusCallback" not in request.form


@pytest.mark.parametrize(
    ("lang", "spoken_as"),
    [
        ("en", "en-US"),
        ("de", "de-DE"),
        ("es", "es-ES"),
        ("fr-CH", "fr-FR"),
        ("hi", "hi-IN"),
        ("ne", "hi-IN"),
        ("xx", "en-US"),
    ],
)
async def test_the_voice_speaks_the_drivers_language(lang: str, spoken_as: str) -> None:
    (say, _) = spoken(await asked(voice, message(lang=lang))).findall("Say")
    assert say.get("language") == spoken_as
    assert ElementTree.fromstring(thanks(lang)).findtext("Say")


@pytest.mark.parametrize(
    "text",
    ["</Say><Dial>+1900</Dial>", "a & b < c", "\"quoted\" 'too'", "]]>", "<!ENTITY x SYSTEM 'file:///etc/passwd'>"],
)
async def test_a_station_name_cannot_give_the_call_orders(text: str) -> None:
    root = spoken(await asked(voice, message(text=text)))
    assert {element.tag for element in root} == {"Say", "Pause"}
    assert root.findtext("Say") == text


async def test_what_xml_cannot_hold_is_left_out() -> None:
    assert spoken(await asked(voice, message(text="Go\x00\x1b\ufffe\u2028 now\ud800"))).findtext("Say") == "Go now"


@pytest.mark.parametrize("text", ["", " \n", "x" * 4000, "&" * 900])
async def test_nothing_to_say_or_too_much_is_refused_unsent(text: str) -> None:
    async with http_double() as double:
        channel = voice(twilio_settings(double.base_url))
        assert isinstance(await channel.send(message(text=text), timeout=AMPLE), Refused)
        await channel.close()
    assert double.requests == []


async def test_a_voice_sender_that_is_not_ours_names_the_setting() -> None:
    outcome = await answered(voice, twilio_error(400, 21210))
    assert isinstance(outcome, Failed)
    assert "look at SLOTWATCH_VOICE_FROM" in outcome.error


async def test_a_call_that_answers_with_no_id_may_have_been_made() -> None:
    outcome = await answered(voice, reply(201, {"sid": "x", "status": "queued"}))
    assert isinstance(outcome, Failed)
    assert outcome.uncertain
    assert "the call may have been accepted" in outcome.error


@pytest.mark.parametrize(("change", "variable"), [({"sender": "555"}, "FROM"), ({"ring_seconds": 1}, "RING_SECONDS")])
def test_voice_settings_that_cannot_work_are_refused_by_name(change: dict[str, Any], variable: str) -> None:
    with pytest.raises(ValueError, match=f"SLOTWATCH_VOICE_{variable}"):
        VoiceSettings(**{"sender": "+15550001111", **change})


def test_without_a_number_of_ours_there_is_no_channel() -> None:
    twilio = twilio_settings("https://api.twilio.com")
    with pytest.raises(ValueError, match="SLOTWATCH_WHATSAPP_FROM"):
        WhatsAppChannel(twilio, WhatsAppSettings())
    with pytest.raises(ValueError, match="SLOTWATCH_VOICE_FROM"):
        VoiceChannel(twilio, VoiceSettings())


# Numbers that cost


async def test_no_channel_of_twilio_writes_to_or_calls_a_premium_number() -> None:
    rules = NumberRules(NumberSettings()).why_not
    async with http_double() as double:
        twilio = twilio_settings(double.base_url)
        channels: list[Channel] = [
            TwilioSms(twilio, why_not=rules),
            WhatsAppChannel(twilio, WhatsAppSettings(sender="+15550002222"), why_not=rules),
            VoiceChannel(twilio, VoiceSettings(sender="+15550001111"), why_not=rules),
        ]
        for channel in channels:
            assert isinstance(await channel.send(message(to="+41900123456"), timeout=AMPLE), Refused)
            assert double.requests == []
            assert isinstance(await channel.send(message(), timeout=AMPLE), Accepted)
            double.requests.clear()
            await channel.close()


# Receipts of a Twilio that we did not write


@pytest.mark.node
@pytest.mark.parametrize(
    ("make", "moves", "expected"),
    [
        (TwilioSms, ["sent", "delivered"], [None, "sent", "delivered"]),
        (voice, ["in-progress", "no-answer"], [None, None, "failed"]),
    ],
)
async def test_the_double_reports_and_we_believe_it(
    emulate: TwilioDouble, make: Callable[[TwilioSettings], Channel], moves: list[str], expected: list[str | None]
) -> None:
    calls: list[Call] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(header.split(": ", 1) for header in rest if header)
        length = next(int(value) for name, value in headers.items() if name.lower() == "content-length")
        calls.append(Call(base + line.split(" ")[1], headers, await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    own = {"account_sid": emulate.account_sid, "auth_token": emulate.auth_token, "sender": emulate.number}
    settings = twilio_settings(emulate.base_url, **own, status_callback_url=base + "/receipts")
    channel = make(settings)
    outcome = await channel.send(message(to="+41790002001"), timeout=AMPLE)
    assert isinstance(outcome, Accepted)
    for move in moves:
        await asyncio.to_thread(emulate.move, outcome.provider_id, move)
    await channel.close()
    server.close()
    await server.wait_closed()

    read = [TwilioReceipts([settings]).read(call) for call in calls]
    found = [receipt for news in read if isinstance(news, tuple) for receipt in news if isinstance(receipt, Receipt)]
    assert all(isinstance(news, tuple) for news in read), read
    assert [receipt.status for receipt in found] == [status for status in expected if status is not None]
    assert {(receipt.message_id, receipt.key) for receipt in found} == {(outcome.provider_id, "delivery-7")}
