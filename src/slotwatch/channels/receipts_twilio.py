"""Twilio's calls: how an SMS, a WhatsApp message or a phone call fared, key presses, STOP and START.

They are genuine when `X-Twilio-Signature` is the HMAC-SHA1, under the account's token, of the address and the sorted
form fields. Twilio puts no time into it: a call that is replayed says what was said already, and changes nothing.

| Twilio says | receipt |
|---|---|
| sent | sent |
| delivered, read | delivered |
| undelivered, failed, canceled | failed; some error codes suppress the number |
| call completed, answered by a person | delivered |
| call completed, answered by a machine or a fax | failed |
| call completed, nobody knows by whom | sent |
| busy, no-answer, failed, canceled | failed |
| a key was pressed | delivered, heard |
| accepted, queued, sending, ringing … | nothing |
"""

import base64
import hmac
import re
import string
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from slotwatch.channels.channel import ChannelName, plain
from slotwatch.channels.receipts import LARGEST_BODY, BadReceipt, Call, News, Receipt, ReceiptStatus, Reply, instant
from slotwatch.channels.twilio_rest import E164
from slotwatch.channels.twilio_settings import TwilioSettings

__all__ = ["TwilioReceipts", "twilio_signature"]

_MOST_FIELDS: Final = 200
_SID = re.compile(r"(?:SM|MM|CA)[0-9a-fA-F]{32}\Z")
_MESSAGE: Final[dict[str, ReceiptStatus]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
_CALL_FAILED: Final = {
    "busy": "the line was busy",
    "no-answer": "nobody answered",
    "failed": "the call could not be made",
    "canceled": "the call was cancelled",
}
_WORDS: Final = {
    21610: "the recipient said STOP",
    30003: "the phone is off or out of reach",
    30004: "the number or its carrier blocks the message",
    30005: "the number does not exist",
    30006: "the number is a landline, or its carrier cannot be reached",
    30007: "the carrier filtered the message",
    63003: "the number is not on WhatsApp",
    63016: "WhatsApp wants a template outside a conversation",
    63024: "the number is not on WhatsApp",
}
_SUPPRESS: Final = frozenset({21610, 30005, 30006, 63003, 63024})
# Twilio's and Amazon's opt-out words. CANCEL and END are among them, so no booking command may be called that.
_KEYWORDS: Final[dict[str, Literal["stop", "start", "help"]]] = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT-OUT"), "stop"),
    **dict.fromkeys(("ARRET", "TD", "REMOVE"), "stop"),
    **dict.fromkeys(("START", "YES", "UNSTOP"), "start"),
    **dict.fromkeys(("HELP", "INFO", "AIDE"), "help"),
}


class TwilioReceipts:
    """Reads the calls of one or more accounts of ours."""

    def __init__(self, accounts: Sequence[TwilioSettings]) -> None:
        self._accounts = {one.account_sid: one for one in accounts if one.account_sid and one.auth_token}
        if not self._accounts:
            raise ValueError(
                "SLOTWATCH_TWILIO_ACCOUNT_SID and SLOTWATCH_TWILIO_AUTH_TOKEN must be set to believe Twilio"
            )

    def read(self, call: Call) -> tuple[News, ...] | BadReceipt:
        """What the call says. Raises nothing."""
        if len(call.body) > LARGEST_BODY:
            return BadReceipt("too_large", f"{len(call.body)} bytes from Twilio")
        try:
            pairs = parse_qsl(call.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        except (UnicodeDecodeError, ValueError) as error:
            return BadReceipt("malformed", plain(f"the body is no form: {error}"))
        form = dict(pairs)
        account = self._accounts.get(form.get("AccountSid", ""))
        if account is None or account.auth_token is None:
            return BadReceipt("forged", "the call names no Twilio account of ours")
        if not _is_genuine(account.auth_token, call, pairs):
            return BadReceipt("forged", "the signature does not fit the call")
        return _news(account.PROVIDER, call.url, form)


def twilio_signature(token: str, url: str, pairs: Sequence[tuple[str, str]]) -> bytes:
    """What `X-Twilio-Signature` must be for a form (twilio.com/docs/usage/webhooks/webhooks-security)."""
    signed = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(errors="replace"), "sha1"))


def _is_genuine(token: str, call: Call, pairs: Sequence[tuple[str, str]]) -> bool:
    given = call.header("x-twilio-signature").encode(errors="replace")
    # Both are always compared.
    fits = [hmac.compare_digest(given, twilio_signature(token, url, pairs)) for url in _spellings(call.url)]
    return any(fits)


def _spellings(url: str) -> tuple[str, str]:
    """With and without the port: Twilio signs the one for some calls and the other for others."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url, url
    if ":" in host:
        host = f"[{host}]"
    if port is not None:
        return url, urlunsplit(parts._replace(netloc=host))
    return url, urlunsplit(parts._replace(netloc=f"{host}:{443 if parts.scheme == 'https' else 80}"))


def _news(provider: str, url: str, form: dict[str, str]) -> tuple[News, ...] | BadReceipt:
    sid = form.get("CallSid") or form.get("MessageSid") or form.get("SmsSid") or ""
    if not _SID.match(sid):
        return BadReceipt("malformed", "the call names no message and no phone call")
    if "CallSid" in form:
        found = _call(provider, sid, form)
    elif "MessageStatus" in form:
        found = _message(provider, sid, form)
    else:
        return _reply(provider, sid, form)
    key = next((value for name, value in _query(url) if name == "delivery"), None)
    return tuple(Receipt(**{**vars(one), "key": key}) for one in found)


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, max_num_fields=20)
    except ValueError:
        return []


def _message(provider: str, sid: str, form: dict[str, str]) -> tuple[Receipt, ...]:
    said = form["MessageStatus"]
    status = _MESSAGE.get(said)
    if status is None:
        return ()
    channel, address = _address(form.get("To", ""))
    code = _number(form.get("ErrorCode", ""))
    error = None
    if status == "failed":
        words = _WORDS.get(code or 0) or plain(form.get("ErrorMessage", "")) or f"the message was {said}"
        error = words if code is None else f"{words} (Twilio error {code})"
    return (
        Receipt(
            provider=provider,
            channel=channel,
            message_id=sid,
            status=status,
            event_id=f"{sid}:{said}",
            error=error,
            suppress=status == "failed" and code in _SUPPRESS,
            address=address,
        ),
    )


def _call(provider: str, sid: str, form: dict[str, str]) -> tuple[Receipt, ...]:
    heard = bool(form.get("Digits"))
    said = "heard" if heard else form.get("CallStatus", "")
    status, error = ("delivered", None) if heard else _call_status(said, form.get("AnsweredBy", ""))
    if status is None:
        return ()
    return (
        Receipt(
            provider=provider,
            channel="voice",
            message_id=sid,
            status=status,
            event_id=f"{sid}:{said}",
            error=error,
            at=_rfc2822(form.get("Timestamp", "")),
            heard=heard,
            address=_address(form.get("To", ""))[1],
        ),
    )


def _call_status(said: str, answered_by: str) -> tuple[ReceiptStatus | None, str | None]:
    if said in _CALL_FAILED:
        return "failed", _CALL_FAILED[said]
    if said != "completed":
        return None, None
    if answered_by == "human":
        return "delivered", None
    if answered_by.startswith(("machine", "fax")):
        return "failed", "a machine answered"
    return "sent", None


def _reply(provider: str, sid: str, form: dict[str, str]) -> tuple[Reply, ...]:
    channel, address = _address(form.get("From", ""))
    wants = _keyword(form.get("OptOutType") or form.get("Body", ""))
    if wants is None or address is None:
        return ()
    return (Reply(provider=provider, channel=channel, address=address, wants=wants, event_id=sid),)


def _keyword(text: str) -> Literal["stop", "start", "help"] | None:
    """The whole text must be the word, as carriers have it; accents, case and punctuation around it do not matter."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text[:40]) if not unicodedata.combining(c))
    return _KEYWORDS.get(bare.strip(string.punctuation + string.whitespace).upper())


def _address(text: str) -> tuple[ChannelName, str | None]:
    channel: ChannelName = "whatsapp" if text.startswith("whatsapp:") else "sms"
    number = text.removeprefix("whatsapp:")
    return channel, number if E164.match(number) else None


def _number(text: str) -> int | None:
    return int(text) if re.match(r"[0-9]{1,6}\Z", text) else None


def _rfc2822(text: str) -> datetime | None:
    try:
        return instant(parsedate_to_datetime(text).isoformat())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
