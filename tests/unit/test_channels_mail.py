"""How a message becomes an e-mail, and how foreign text becomes fit to keep."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.channels import Message
from slotwatch.channels.channel import CalendarPart, has_control_characters, plain
from slotwatch.channels.mail import Mail, Sender, UnfitMessageError, message_id, parse_sender, write_mail
from slotwatch.channels.mime import text_part

SENDER = Sender("Slotwatch", "s@slotwatch.example")
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]


def read(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.data, policy=policy.default)


@given(st.text(), st.text(), st.none() | st.text())
def test_no_text_can_add_a_header(subject: str, text: str, html: str | None) -> None:
    try:
        mail = write_mail(Message(key="k", to="a@example.com", subject=subject, text=text, html=html), SENDER)
    except UnfitMessageError:
        return
    written = read(mail)
    assert [name for name in written if not name.startswith(("Content-", "MIME-"))] == HEADERS
    assert written["To"] == "a@example.com"
    assert mail.data.isascii()
    assert max(map(len, mail.data.split(b"\r\n"))) <= 998


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300))
def test_every_subject_without_control_characters_arrives_as_it_was(subject: str) -> None:
    mail = write_mail(Message(key="k", to="a@example.com", subject=subject, text="x"), SENDER)

    assert "".join(read(mail)["Subject"].split()) == "".join(subject.split())


lines = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n"))


def _whole(text: str) -> str:
    return text.removesuffix("\n") + "\n"  # the last line is ended, too


@given(lines, lines)
def test_text_and_html_arrive_as_they_were_in_seven_bits(text: str, html: str) -> None:
    mail = write_mail(Message(key="k", to="a@example.com", subject="x", text=text, html=html), SENDER)
    parts = list(read(mail).iter_parts())

    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    written, pages = (part.get_content().replace("\r\n", "\n") for part in parts)
    assert (written, _referenced(pages)) == (_whole(text), _referenced(_whole(html)))
    assert mail.data.isascii()


def _referenced(html: str) -> bytes:
    return html.encode("ascii", "xmlcharrefreplace")  # HTML's own notation for the same characters


def _html_part(html: str) -> tuple[str, str]:
    mail = write_mail(Message(key="k", to="a@example.com", subject="x", text="x", html=html), SENDER)
    part = list(read(mail).iter_parts())[1]
    return str(part["Content-Transfer-Encoding"]), part.get_content().strip()


def test_html_with_few_characters_beyond_ascii_is_not_encoded() -> None:
    assert _html_part(f"<p>18:00 \u2013 19:00{' of' * 40}</p>") == ("7bit", f"<p>18:00 &#8211; 19:00{' of' * 40}</p>")


def test_html_of_another_script_and_style_sheets_stay_as_they_are() -> None:
    for html in ("<p>नमस्ते नमस्ते</p>", f"<style>a:before {{content: '\u2013'}}</style>{'<p>x</p>' * 40}"):
        encoding, content = _html_part(html)
        assert encoding != "7bit"
        assert content == html


def test_a_calendar_is_an_alternative_with_its_method_and_a_file() -> None:
    content = "BEGIN:VCALENDAR\r\nSUMMARY:Wörthersee\r\nEND:VCALENDAR\r\n"
    part = CalendarPart("REQUEST", content)
    mail = read(write_mail(Message(key="k", to="a@b.example", subject="x", text="x", calendar=part), SENDER))
    alternatives, file = mail.iter_parts()
    _, calendar = alternatives.iter_parts()

    assert (mail.get_content_type(), alternatives.get_content_type()) == ("multipart/mixed", "multipart/alternative")
    assert (calendar.get_content_type(), calendar.get_param("method")) == ("text/calendar", "REQUEST")
    assert calendar.get_content().splitlines() == content.splitlines()
    assert (file.get_content(), file.get_filename()) == (content.encode(), "booking.ics")


@given(st.text())
def test_any_address_is_written_or_refused_with_a_sentence(to: str) -> None:
    try:
        mail = write_mail(Message(key="k", to=to, subject="x", text="x"), SENDER)
    except UnfitMessageError as error:
        assert str(error)
    else:
        assert "@" in mail.recipient
        assert not has_control_characters(mail.recipient)


def test_a_subject_that_a_policy_would_fold_by_itself_is_refused_when_it_holds_a_line_end() -> None:
    for smuggled in ("\r", "\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\ud800"):
        with pytest.raises(UnfitMessageError):
            write_mail(Message(key="k", to="a@example.com", subject=f"a{smuggled}b", text="x"), SENDER)


@pytest.mark.parametrize("to", ["sam@mail.local", "sam@localhost", "sam+ev@example.test", "o'neil@10-0.example"])
def test_an_address_that_only_the_operators_own_server_may_know_is_left_to_that_server(to: str) -> None:
    assert write_mail(Message(key="k", to=to, subject="x", text="x"), SENDER).recipient == to


@given(st.text(), st.text())
def test_different_keys_have_different_message_ids_and_all_are_valid(one: str, other: str) -> None:
    assert message_id(one, SENDER) == message_id(one, SENDER)
    assert (message_id(one, SENDER) == message_id(other, SENDER)) is (one == other)
    assert message_id(one, SENDER).isascii()
    assert len(message_id(one, SENDER)) < 250
    assert not has_control_characters(message_id(one, SENDER))


@pytest.mark.parametrize("key", ["a..b", ".a", "a b", "a@b", "a>b", "ключ", "x" * 101, ""])
def test_a_key_that_no_message_id_may_hold_is_hashed(key: str) -> None:
    assert len(message_id(key, SENDER)) == len("<slotwatch.@slotwatch.example>") + 64


def test_a_sender_may_have_a_name() -> None:
    assert parse_sender("Slot Watch <s@slotwatch.example>") == Sender("Slot Watch", "s@slotwatch.example")
    assert parse_sender("s@bücher.example") == Sender("", "s@xn--bcher-kva.example")
    assert parse_sender("s@localhost").domain == "localhost"


@pytest.mark.parametrize("text", ["", "nobody", "a@b\nBcc: c@d.example", "jürgen@example.com"])
def test_a_sender_that_is_no_ascii_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="sender"):
        parse_sender(text)


@given(st.text(max_size=2000))
def test_foreign_text_becomes_one_printable_line_of_at_most_300_characters(text: str) -> None:
    said = plain(text)

    assert len(said) <= 300
    assert not has_control_characters(said)
    said.encode()


def test_foreign_text_that_is_harmless_stays_as_it_is() -> None:
    assert plain("550 5.1.1 <a@example.com>: no such user") == "550 5.1.1 <a@example.com>: no such user"
    assert plain("two\r\nlines") == "two lines"


def test_half_a_character_in_html_makes_no_mail() -> None:
    with pytest.raises(UnicodeEncodeError):
        text_part("html", "<p>\ud83d</p>")
    assert b" &#54491;" in text_part("html", f"<p>{'Seoul ' * 20}\ud4db</p>").body, "a whole one that looks like half"
