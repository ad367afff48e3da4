"""SMS by Twilio's REST API.

How an answer is classified (codes: twilio.com/docs/api/errors; Twilio adds codes and warns against reading too much
into them, so a code that is not listed goes by its HTTP status):

| answer | outcome |
|---|---|
| 200, 201 with a message id | Accepted, the id is the `provider_id` |
| 4xx, 21610: the recipient said STOP | Refused, suppress the number |
| 4xx, 21211 21214 21217 21265 21266 21408 21608 21612 21614 21635: no number that we can reach | Refused |
| 4xx, 21602 21605 21617: no text, or too long | Refused |
| 4xx, 21212 21603 21606 21659 21660 21661 217xx: our sender | Failed, names the setting |
| 4xx, 14107 20429 21611 30001: too much, too fast | Failed |
| 401, 403, 404, or 20003 20404 with another 4xx: our account | Failed, names the setting |
| 400 with any other code | Refused: the same request will be refused again |
| 429, 5xx, every other status, a redirect | Failed, not before `Retry-After` |
| no answer in time, connection trouble | Failed; the error says when the SMS may have gone out |
| more than 64 KiB, not the JSON that Twilio documents | Failed likewise |

The delivery's key goes along as `I-Twilio-Idempotency-Token`. Twilio documents that header for the webhooks that it
sends, not for requests that it takes, so nothing here counts on it: an answer that was lost can mean a second SMS.
"""

import asyncio
import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Final, TypeVar

import httpx
import msgspec

from slotwatch.channels.channel import Accepted, ChannelName, Failed, Message, Outcome, Refused, plain
from slotwatch.channels.loopback import is_loopback
from slotwatch.channels.twilio_settings import TwilioSettings

__all__ = ["TwilioSettings", "TwilioSms"]

_LARGEST_ANSWER: Final = 64 * 1024
_LONGEST_TEXT: Final = 1600  # characters; Twilio refuses more with 21617
_LONGEST_WAIT: Final = timedelta(hours=1)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z")
_STOPPED: Final = 21610
_USELESS: Final = frozenset(
    {21211, 21214, 21217, 21265, 21266, 21408, 21608, 21612, 21614, 21635} | {21602, 21605, 21617} | {_STOPPED}
)
_OUR_SENDER: Final = frozenset({21212, 21603, 21606, 21659, 21660, 21661}) | frozenset(range(21700, 21800))
_OUR_ACCOUNT: Final = frozenset({20003, 20404})
_TOO_FAST: Final = frozenset({14107, 20429, 21611, 30001})


_T = TypeVar("_T")


class _Taken(msgspec.Struct):
    """The part of Twilio's message resource that we use."""

    sid: Annotated[str, msgspec.Meta(pattern=r"^(SM|MM)[0-9a-fA-F]{32}\Z")]
    status: str = ""
    error_code: int | None = None
    error_message: str | None = None


class _Problem(msgspec.Struct):
    """The part of Twilio's error answer that we use."""

    code: int | None = None
    message: str | None = None


class _Account(msgspec.Struct):
    """The part of Twilio's account resource that we use."""

    status: str


class _HostileAnswerError(Exception):
    """The answer is not what Twilio documents."""


class TwilioSms:
    """Sends SMS by one Twilio account."""

    name: ChannelName = "sms"
    provider = "twilio"

    def __init__(self, settings: TwilioSettings) -> None:
        if settings.account_sid is None or settings.auth_token is None:
            raise ValueError("SLOTWATCH_TWILIO_ACCOUNT_SID and SLOTWATCH_TWILIO_AUTH_TOKEN must be set to send SMS")
        self.concurrency = settings.connections
        self._settings = settings
        self._account_url = f"{settings.base_url.rstrip('/')}/2010-04-01/Accounts/{settings.account_sid}"
        self._client = httpx.AsyncClient(
            auth=(settings.account_sid, settings.auth_token),
            # An answer that is not packed cannot unpack into more than we asked for.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=None,  # noqa: S113  the deadline of the try covers everything
            follow_redirects=False,  # our credentials and the driver's number go nowhere else
            limits=httpx.Limits(max_connections=settings.connections, max_keepalive_connections=settings.connections),
            trust_env=not is_loopback(httpx.URL(settings.base_url).host),
        )

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds or the configured ones if those are fewer."""
        if self._client.is_closed:
            return Failed("the SMS channel is closed")
        unfit = _unfit(message)
        if unfit is not None:
            return Refused(unfit)
        allowed = min(timeout, self._settings.timeout_seconds)
        deadline = asyncio.timeout(allowed)
        try:
            async with deadline:
                status, headers, body = await self._ask(
                    "POST", "/Messages.json", key=message.key, form=self._form(message)
                )
            return _outcome(status, headers, body)
        except httpx.ConnectError as error:
            return Failed(plain(f"Twilio cannot be reached: {error}"))
        except Exception as error:  # the contract: trouble is an outcome, not an exception
            if deadline.expired():
                return Failed(f"Twilio did not answer within {allowed:g} s; the SMS may have been accepted")
            return Failed(plain(f"{_sentence(error)}; the SMS may have been accepted"))

    async def check(self) -> str | None:
        """Ask for our own account. None when Twilio knows it and it is active, else a sentence."""
        deadline = asyncio.timeout(self._settings.timeout_seconds)
        try:
            async with deadline:
                status, headers, body = await self._ask("GET", ".json")
            if status != httpx.codes.OK:
                outcome = _outcome(status, headers, body)
                return outcome.error if isinstance(outcome, Failed | Refused) else f"Twilio answered {status}"
            account = _read(body, _Account)
        except Exception as error:  # whatever is wrong, the doctor wants a sentence
            if deadline.expired():
                return f"Twilio did not answer within {self._settings.timeout_seconds:g} s"
            return plain(_sentence(error))
        return None if account.status == "active" else plain(f"the Twilio account is {account.status}")

    async def close(self) -> None:
        """Close all connections; again is harmless."""
        await self._client.aclose()

    def _form(self, message: Message) -> dict[str, str]:
        form = {"To": message.to, "Body": message.text}
        if self._settings.messaging_service_sid is not None:
            form["MessagingServiceSid"] = self._settings.messaging_service_sid
        if self._settings.sender is not None:
            form["From"] = self._settings.sender
        return form

    async def _ask(
        self, method: str, path: str, *, key: str | None = None, form: dict[str, str] | None = None
    ) -> tuple[int, httpx.Headers, bytes]:
        headers = {} if key is None else {"I-Twilio-Idempotency-Token": plain(key).encode("ascii", "replace").decode()}
        request = self._client.stream(method, self._account_url + path, data=form, headers=headers)
        async with request as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise _HostileAnswerError("Twilio answered more than 64 KiB")
            return response.status_code, response.headers, bytes(body)


def _unfit(message: Message) -> str | None:
    """Why Twilio would refuse the message whatever we do, found out without asking."""
    if not _E164.match(message.to):
        return "this is not a phone number in E.164 form, such as +41791234567"
    if not message.text.strip():
        return "an SMS must have a text"
    if len(message.text) > _LONGEST_TEXT:
        return f"an SMS has at most {_LONGEST_TEXT} characters, this one has {len(message.text)}"
    return None


def _outcome(status: int, headers: httpx.Headers, body: bytes) -> Outcome:
    if status in {httpx.codes.OK, httpx.codes.CREATED}:
        taken = _read(body, _Taken)
        if taken.status not in {"failed", "undelivered"}:
            return Accepted(taken.sid)
        return _refusal(httpx.codes.BAD_REQUEST, _Problem(taken.error_code, taken.error_message), None)
    try:
        problem = _read(body, _Problem)
    except _HostileAnswerError:
        problem = _Problem()  # a proxy's page, perhaps: the status still says enough
    return _refusal(status, problem, _retry_after(headers))


def _refusal(status: int, problem: _Problem, retry_after: timedelta | None) -> Outcome:
    said = f"{status}" if problem.code is None else f"{status}, code {problem.code}"
    said = plain(f"Twilio answered {said}: {problem.message or 'no reason given'}")
    if 400 <= status < 500:
        if problem.code in _USELESS:
            return Refused(said, suppress=problem.code == _STOPPED)
        if problem.code in _OUR_SENDER:
            return Failed(plain(f"look at SLOTWATCH_TWILIO_FROM and _MESSAGING_SERVICE_SID: {said}"), retry_after)
        if status in {401, 403, 404} or problem.code in _OUR_ACCOUNT:
            return Failed(plain(f"look at SLOTWATCH_TWILIO_ACCOUNT_SID and _AUTH_TOKEN: {said}"), retry_after)
        if status == httpx.codes.BAD_REQUEST and problem.code is not None and problem.code not in _TOO_FAST:
            return Refused(said)
    return Failed(said, retry_after)


def _read(body: bytes, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _HostileAnswerError(f"Twilio's answer is not what it documents: {error}") from error


def _retry_after(headers: httpx.Headers) -> timedelta | None:
    """How long to wait, from `Retry-After`: seconds, or a date compared with the answer's own `Date`."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=int(value[:9])), _LONGEST_WAIT)
    until, now = _date(value), _date(headers.get("date", ""))
    if until is None or now is None:
        return None
    return min(max(until - now, timedelta()), _LONGEST_WAIT)


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None


def _sentence(error: Exception) -> str:
    match error:
        case _HostileAnswerError():
            return str(error)
        case httpx.ConnectError():
            return f"Twilio cannot be reached: {error}"
        case httpx.TransportError():
            return f"the connection to Twilio broke: {error or type(error).__name__}"
        case _:
            return f"Twilio could not be asked: {error!r}"
