"""Writes one message as an e-mail: headers, text and HTML, ready for SMTP."""

import hashlib
import re
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, parseaddr
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from slotwatch.channels.channel import Message, has_control_characters, plain
from slotwatch.channels.mime import Part, file_part, multipart, text_part

__all__ = ["Mail", "Sender", "UnfitMessageError", "message_id", "parse_sender", "write_mail"]

_SHORT = 66  # fits on a line behind the name of its header
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9<.,:;!'/@_>-]+( [A-Za-z0-9<.,:;!'/@_>-]+)*\Z")
_PLAIN_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)
_SAFE_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")


class UnfitMessageError(ValueError):
    """The message cannot be written as an e-mail, now or later."""


@dataclass(frozen=True)
class Sender:
    """Who our mail is from."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The part after the @, in ASCII."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True)
class Mail:
    """An e-mail ready for SMTP: the envelope and the bytes."""

    message_id: str
    sender: str
    recipient: str
    needs_utf8: bool
    data: bytes


def parse_sender(text: str) -> Sender:
    """Read `address` or `Name <address>`. Raises ValueError with a sentence."""
    if has_control_characters(text):
        raise ValueError("the sender holds control characters")
    name, address = parseaddr(text)
    try:
        address = _envelope_address(address)
    except UnfitMessageError as error:
        raise ValueError(f"the sender {text!r} will not do: {error}") from error
    if not address.isascii():
        raise ValueError(f"the sender {text!r} must have an ASCII address")
    return Sender(name, address)


def message_id(key: str, sender: Sender) -> str:
    """The same key gives the same Message-ID, so that mail programs can drop a second copy."""
    name = key if len(key) <= 100 and _SAFE_KEY.match(key) else hashlib.sha256(key.encode(errors="replace")).hexdigest()
    return f"<slotwatch.{name}@{sender.domain}>"


def write_mail(message: Message, sender: Sender) -> Mail:
    """Write the e-mail. Raises UnfitMessageError with a sentence when that is impossible."""
    if has_control_characters(message.to) or has_control_characters(message.subject or ""):
        raise UnfitMessageError("the address or the subject holds control characters")
    recipient = _envelope_address(message.to)
    identity = message_id(message.key, sender)
    try:
        data = _write(message, sender, recipient, identity)
    except (MessageError, ValueError, LookupError) as error:
        raise UnfitMessageError(f"the message cannot be written as an e-mail: {plain(str(error))}") from error
    return Mail(identity, sender.address, recipient, not recipient.isascii(), data)


def _envelope_address(text: str) -> str:
    """The address as SMTP takes it: in ASCII where that is possible. Raises UnfitMessageError with a sentence."""
    # What looks plain is left to the mail server: it may know names, such as `.local`, that the world does not.
    if len(text) <= 254 and _PLAIN_ADDRESS.match(text):
        return text
    try:
        checked = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise UnfitMessageError(f"this is not an e-mail address: {plain(str(error))}") from error
    # A domain in another script has an ASCII form that every relay takes; a local part in another script has none.
    return checked.ascii_email or checked.normalized


def _write(message: Message, sender: Sender, recipient: str, identity: str) -> bytes:
    body = _body(message)
    head = (
        _sender_line(sender),
        _recipient_line(recipient),
        _subject_line(message.subject or ""),
        # When this copy was handed over, by the wall clock: mail programs sort by it, nothing in slotwatch reads it.
        f"Date: {formatdate(usegmt=True)}\r\n",
        _line("Message-ID", identity),
        "Auto-Submitted: auto-generated\r\n",  # RFC 3834: keeps holiday answers away
        _line("Content-Language", message.lang),
        "MIME-Version: 1.0\r\n",
    )
    return "".join(head).encode() + body.data


def _body(message: Message) -> Part:
    """Text, better HTML, and the calendar: as an alternative, which calendars act on by its method, and as a file,
    which the others can open."""
    body = text_part("plain", message.text)
    calendar = message.calendar
    if message.html is None and calendar is None:
        return body
    ways = [body]
    if message.html is not None:
        ways.append(text_part("html", message.html))
    if calendar is not None:
        ways.append(text_part("calendar", calendar.content, f"; method={calendar.method}"))
    body = multipart("alternative", ways)
    if calendar is not None:
        body = multipart("mixed", [body, file_part("application/ics", calendar.content.encode(), "booking.ics")])
    return body


@lru_cache(16)
def _sender_line(sender: Sender) -> str:
    return _line("From", _address(sender.address, sender.name))


def _recipient_line(recipient: str) -> str:
    if len(recipient) <= _SHORT and _PLAIN_ADDRESS.match(recipient):
        return f"To: {recipient}\r\n"
    return _line("To", _address(recipient), utf8=not recipient.isascii())


@lru_cache(1024)
def _subject_line(subject: str) -> str:
    """Many drivers get the same one, and Python's way to write other scripts is slow."""
    return _line("Subject", subject)


def _line(name: str, value: object, *, utf8: bool = False) -> str:
    """The header line, folded and encoded where that is needed. Raises what `email` raises."""
    if isinstance(value, str) and len(value) <= _SHORT and _PLAIN_VALUE.match(value):
        return f"{name}: {value}\r\n"
    policy = SMTPUTF8 if utf8 else SMTP
    line: str = policy.fold(*policy.header_store_parse(name, value))
    return line


def _address(address: str, name: str = "") -> Address:
    # Given in two parts, because the addr_spec argument takes no other script than ASCII.
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)
