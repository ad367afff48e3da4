"""E-mail by SMTP against aiosmtpd, and against servers that speak no SMTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwatch.channels import Accepted, Failed, Message, Refused, SmtpChannel, SmtpSettings
from tests.integration.channels.raw_server import listener, saying
from tests.mail_sink import DROP, HANG, LOSE_ANSWER, Certificate, MailSink, mail_sink

AMPLE = 5.0
SHORT = 0.2
HELLO = (b"220 hello\r\n", b"250 hello\r\n")


def message(to: str = "driver@example.com", key: str = "delivery-1", **changes: Any) -> Message:
    return Message(key=key, to=to, **{"subject": "Your slot begins", "text": "Go.", **changes})


@contextlib.asynccontextmanager
async def channel(port: int, **changes: Any) -> AsyncIterator[SmtpChannel]:
    given = {"host": "127.0.0.1", "security": "none", "sender": "Slotwatch <s@slotwatch.example>", **changes}
    one = SmtpChannel(SmtpSettings(port=port, **given))
    yield one
    await one.close()


async def send_once(sink: MailSink, what: Message, **changes: Any) -> Accepted | Refused | Failed:
    async with channel(sink.port, **changes) as one:
        return await one.send(what, timeout=AMPLE)


async def test_a_mail_says_who_what_and_that_a_machine_wrote_it() -> None:
    with mail_sink() as sink:
        await send_once(sink, message(subject="Dein Slot beginnt, Jürgen", text="Los, Jürgen!", html="<p>Los!</p>"))

    (received,) = sink.mails
    assert received.sender == "s@slotwatch.example"
    assert received.recipient == "driver@example.com"
    assert received.data.isascii()
    mail = received.mail
    assert mail["From"] == "Slotwatch <s@slotwatch.example>"
    assert mail["Subject"] == "Dein Slot beginnt, Jürgen"
    assert mail["Message-ID"] == "<slotwatch.delivery-1@slotwatch.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.utcoffset() is not None
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert text.get_content().strip() == "Los, Jürgen!"
    assert html.get_content().strip() == "<p>Los!</p>"


async def test_the_queue_id_is_the_provider_id_and_the_message_id_when_there_is_none() -> None:
    with mail_sink() as sink:
        sink.on_data["silent@example.com"] = "250 thank you"
        assert await send_once(sink, message()) == Accepted("00000001")
        assert await send_once(sink, message("silent@example.com")) == Accepted(
            "<slotwatch.delivery-1@slotwatch.example>"
        )


@pytest.mark.parametrize(
    ("reply", "suppress"),
    [
        ("550 5.1.1 no such user", True),
        ("551 5.1.6 moved", True),
        ("550 5.2.1 disabled", True),
        ("550 5.1.10 null MX", True),
        ("550 5.1.100 unheard of", False),
        ("550 5.7.1 not from you", False),
        ("552 5.2.2 mailbox full", False),
        ("553 no", False),
    ],
)
async def test_a_5xx_on_the_recipient_is_refused_and_suppressed_only_when_the_mailbox_is_gone(
    reply: str, suppress: bool
) -> None:
    with mail_sink() as sink:
        sink.on_rcpt["driver@example.com"] = reply
        outcome = await send_once(sink, message())

    assert isinstance(outcome, Refused)
    assert outcome.suppress is suppress
    assert reply in outcome.error


@pytest.mark.parametrize(
    ("reply", "setting"),
    [
        ("554 5.7.1 <driver@example.com>: Relay access denied", "SLOTWATCH_SMTP_USERNAME"),
        ("550 relay not permitted", "SLOTWATCH_SMTP_USERNAME"),
        ("553 5.7.1 <s@slotwatch.example>: Sender address rejected: not owned by user x", "SLOTWATCH_SMTP_FROM"),
        ("450 4.7.25 Client host rejected: cannot find your hostname", "from this machine"),
    ],
)
@pytest.mark.parametrize("where", ["on_rcpt", "on_data"])
async def test_a_server_that_takes_nothing_from_us_is_down_and_the_setting_is_named(
    reply: str, setting: str, where: str
) -> None:
    with mail_sink() as sink:
        getattr(sink, where)["driver@example.com"] = reply
        async with channel(sink.port, connections=1) as one:
            outcome = await one.send(message(), timeout=AMPLE)
            other = await one.send(message("sam@example.com"), timeout=AMPLE)

    assert isinstance(outcome, Failed)
    assert (outcome.down, outcome.uncertain, outcome.asked) == (True, False, True)
    assert setting in outcome.error and reply[:3] in outcome.error
    assert "driver@example.com" not in outcome.error
    assert isinstance(other, Accepted) and sink.connections == 1, "the connection is still in order"


async def test_an_address_with_a_servers_words_in_it_says_nothing_about_us() -> None:
    with mail_sink() as sink:
        sink.on_rcpt["dmarc@example.com"] = "550 5.7.1 <dmarc@example.com> takes no mail from strangers"
        assert isinstance(await send_once(sink, message("dmarc@example.com")), Refused)


@pytest.mark.parametrize("reply", ["450 4.2.0 grey-listed", "421 4.3.2 shutting down", "530 5.7.0 log in", "454 TLS"])
async def test_a_passing_answer_on_the_recipient_is_failed(reply: str) -> None:
    with mail_sink() as sink:
        sink.on_rcpt["driver@example.com"] = reply
        outcome = await send_once(sink, message())

    assert isinstance(outcome, Failed)
    assert reply in outcome.error


async def test_a_refused_mail_is_refused_and_never_suppresses_the_address() -> None:
    with mail_sink() as sink:
        sink.on_data["driver@example.com"] = "554 5.1.1 smells like spam"
        assert await send_once(sink, message()) == Refused(
            "the SMTP server 127.0.0.1 refused the mail: 554 5.1.1 smells like spam"
        )


@pytest.mark.parametrize("code", [550, 450, 421])
async def test_an_error_does_not_tell_the_address(code: int) -> None:
    with mail_sink() as sink:
        sink.on_rcpt["driver@example.com"] = f"{code} 5.1.1 <Driver@Example.com>: no, try <sam@example.org>"
        outcome = await send_once(sink, message())

    assert isinstance(outcome, Refused | Failed)
    assert outcome.error.endswith(f"{code} 5.1.1 the recipient: no, try an address")


async def test_a_refused_sender_is_our_own_trouble_and_not_the_recipients() -> None:
    with mail_sink() as sink:
        sink.on_mail = "550 5.7.1 who are you"
        outcome = await send_once(sink, message())

    assert isinstance(outcome, Failed)
    assert "SLOTWATCH_SMTP_FROM" in outcome.error


async def test_a_connection_that_died_while_idle_is_replaced_unseen() -> None:
    with mail_sink() as sink:
        async with channel(sink.port, connections=1) as one:
            await one.send(message(), timeout=AMPLE)
            sink.drop_connections()
            assert isinstance(await one.send(message(), timeout=AMPLE), Accepted)

    assert (sink.connections, len(sink.mails)) == (2, 2)


async def test_a_connection_that_died_after_a_refusal_is_replaced_unseen() -> None:
    with mail_sink() as sink:
        sink.on_rcpt["gone@example.com"] = "550 5.1.1 no such user"
        async with channel(sink.port, connections=1) as one:
            assert isinstance(await one.send(message("gone@example.com"), timeout=AMPLE), Refused)
            sink.drop_connections()
            assert isinstance(await one.send(message(), timeout=AMPLE), Accepted)


async def test_a_server_that_is_closing_makes_an_idle_connection_be_replaced_once() -> None:
    with mail_sink() as sink:
        async with channel(sink.port, connections=1) as one:
            await one.send(message(), timeout=AMPLE)
            sink.on_mail = "421 4.4.2 idle for too long"
            outcome = await one.send(message(), timeout=AMPLE)

    assert isinstance(outcome, Failed)
    assert (sink.connections, len(sink.mails)) == (2, 1)


@pytest.mark.parametrize("where", ["fresh", "idle"])
async def test_a_lost_answer_is_never_tried_again_by_the_channel(where: str) -> None:
    with mail_sink() as sink:
        sink.on_data["lost@example.com"] = LOSE_ANSWER
        async with channel(sink.port, connections=1) as one:
            if where == "idle":
                await one.send(message(), timeout=AMPLE)
            outcome = await one.send(message("lost@example.com"), timeout=AMPLE)

    assert isinstance(outcome, Failed)
    assert "may have been accepted" in outcome.error
    assert len(sink.to("lost@example.com")) == 1


async def test_a_connection_lost_before_the_mail_was_handed_over_does_not_claim_that_it_may_have_gone_out() -> None:
    with mail_sink() as sink:
        sink.on_rcpt["driver@example.com"] = DROP
        outcome = await send_once(sink, message())

    assert isinstance(outcome, Failed)
    assert "may have been accepted" not in outcome.error


async def test_a_send_under_way_finishes_although_the_channel_closes() -> None:
    with mail_sink() as sink:
        sink.on_rcpt["slow@example.com"] = HANG
        async with channel(sink.port) as one:
            slow = asyncio.create_task(one.send(message("slow@example.com"), timeout=SHORT))
            assert await asyncio.to_thread(sink.hanging.wait, 5)
            await one.close()
            assert isinstance(await slow, Failed)


async def test_the_configured_timeout_holds_when_the_caller_would_wait_longer() -> None:
    with mail_sink() as sink:
        sink.on_rcpt["driver@example.com"] = HANG
        outcome = await send_once(sink, message(), timeout_seconds=SHORT)

    assert outcome == Failed("the SMTP server 127.0.0.1 did not answer within 0.2 s", down=True)


# Who is at the other end


async def test_mail_goes_encrypted_and_logged_in_when_the_certificate_is_trusted(certificate: Certificate) -> None:
    with mail_sink(starttls=certificate, users={"sam": "s3cret"}) as sink:
        outcome = await send_once(
            sink, message(), security="starttls", ca_file=str(certificate.file), username="sam", password="s3cret"
        )

    assert isinstance(outcome, Accepted)
    assert (sink.mails[0].over_tls, sink.mails[0].login) == (True, "sam")


async def test_tls_from_the_first_byte_works_too(certificate: Certificate) -> None:
    with mail_sink(tls=certificate) as sink:
        assert isinstance(
            await send_once(sink, message(), security="tls", ca_file=str(certificate.file)),
            Accepted,
        )


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_untrusted_certificate_gets_no_mail(certificate: Certificate, security: str) -> None:
    with mail_sink(**{security: certificate}) as sink:  # type: ignore[arg-type]
        outcome = await send_once(sink, message(), security=security)

    assert isinstance(outcome, Failed)
    assert "not trusted" in outcome.error
    assert sink.mails == []


async def test_a_certificate_of_another_host_gets_no_mail(certificate: Certificate) -> None:
    with mail_sink(starttls=certificate) as sink:
        outcome = await send_once(
            sink, message(), host="127.0.0.1.", security="starttls", ca_file=str(certificate.file)
        )

    assert isinstance(outcome, Failed)
    assert sink.mails == []


async def test_a_server_without_starttls_gets_no_mail_when_starttls_is_wanted() -> None:
    with mail_sink() as sink:
        outcome = await send_once(sink, message(), security="starttls")

    assert isinstance(outcome, Failed)
    assert "STARTTLS" in outcome.error
    assert sink.mails == []


async def test_a_wrong_password_is_said_in_words(certificate: Certificate) -> None:
    with mail_sink(starttls=certificate, users={"sam": "s3cret"}) as sink:
        login = {"username": "sam", "password": "wr0ng", "security": "starttls", "ca_file": str(certificate.file)}
        async with channel(sink.port, **login) as one:
            outcome = await one.send(message(), timeout=AMPLE)
            trouble = await one.check()

    assert isinstance(outcome, Failed)
    assert "SLOTWATCH_SMTP_USERNAME" in outcome.error
    assert trouble == outcome.error
    assert "wr0ng" not in outcome.error


async def test_an_unreadable_certificate_file_is_said_in_words() -> None:
    with mail_sink() as sink:
        outcome = await send_once(sink, message(), security="starttls", ca_file="no/such/file.pem")

    assert isinstance(outcome, Failed)
    assert "SLOTWATCH_SMTP_CA_FILE" in outcome.error


async def test_nobody_at_the_port_is_said_in_words() -> None:
    with mail_sink() as sink:
        port = sink.port
    async with channel(port) as one:
        assert isinstance(await one.send(message(), timeout=AMPLE), Failed)
        assert "127.0.0.1" in (await one.check() or "")


# Addresses


@pytest.mark.parametrize("to", ["", "driver", "a@b@c", "a@example.com, b@example.com", "Sam <sam@example.com>", "a@"])
async def test_what_is_no_single_address_is_refused_unsent(to: str) -> None:
    with mail_sink() as sink:
        assert isinstance(await send_once(sink, message(to)), Refused)
    assert sink.connections == 0


async def test_a_line_break_in_the_subject_is_refused_unsent() -> None:
    with mail_sink() as sink:
        assert isinstance(await send_once(sink, message(subject="Hi\r\nBcc: x@example.com")), Refused)
    assert sink.connections == 0


async def test_an_address_in_another_script_needs_a_server_that_takes_it() -> None:
    with mail_sink() as able, mail_sink(smtputf8=False) as unable:
        assert isinstance(await send_once(able, message("jürgen@example.com")), Accepted)
        assert isinstance(await send_once(unable, message("jürgen@example.com")), Refused)
        assert isinstance(await send_once(unable, message("sam@büro.example")), Accepted)

    assert able.mails[0].recipient == "jürgen@example.com"
    assert unable.mails[0].recipient == "sam@xn--bro-hoa.example"


async def test_lines_that_look_like_the_end_of_a_mail_do_not_end_it() -> None:
    text = "first\n.\nQUIT\n..\r\rlast"
    with mail_sink() as sink:
        await send_once(sink, message(text=text))

    assert len(sink.mails) == 1
    assert sink.mails[0].mail.get_content().split() == ["first", ".", "QUIT", "..", "last"]


# Hostile servers

HOSTILE = {
    "garbage greeting": saying(b"\x00\xff\xfe\r\n", then_hang=True),
    "not SMTP": saying(b"HTTP/1.1 200 OK\r\n\r\n"),
    "silence": saying(b""),
    "greeting that refuses": saying(b"554 go away\r\n"),
    "greeting without end": saying(b"220-more\r\n" * 100_000, then_hang=True),
    "line without end": saying(b"2" * 1_000_000, then_hang=True),
    "negative code": saying(b"-55 no\r\n", then_hang=True),
    "refused hello": saying(b"220 hi\r\n", b"500 no\r\n", b"500 no\r\n"),
    "strange code after MAIL": saying(*HELLO, b"999 what\r\n"),
    "strange code after RCPT": saying(*HELLO, b"250 ok\r\n", b"700 what\r\n"),
    "success instead of go ahead": saying(*HELLO, b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", then_hang=True),
    "two answers at once": saying(*HELLO, b"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", then_hang=True),
    "control characters": saying(*HELLO, b"250 ok\r\n", b"450 \x00\x1b[31m\xff\xf0\x9f\r\n"),
}


@pytest.mark.parametrize("talk", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_server_is_failed_with_a_printable_error(talk: Any) -> None:
    async with listener(talk) as server, channel(server.port, timeout_seconds=SHORT) as one:
        outcome = await one.send(message(), timeout=AMPLE)
        assert isinstance(outcome, Failed)
        assert outcome.error.isprintable()
        assert len(outcome.error) <= 400
        outcome.error.encode()


@settings(max_examples=60)
@given(words=st.lists(st.binary(max_size=60) | st.sampled_from([b"220 a\r\n", b"250 b\r\n", b"354 c\r\n"]), max_size=8))
def test_whatever_a_server_says_the_outcome_is_a_value(words: list[bytes]) -> None:
    async def talk_to_it() -> None:
        async with listener(saying(*words)) as server, channel(server.port, timeout_seconds=1) as one:
            outcome = await one.send(message(), timeout=0.05)
            assert isinstance(outcome, Accepted | Refused | Failed)

    asyncio.run(talk_to_it())
