"""Talks to Twilio's REST API for SMS, WhatsApp and voice: one request, one outcome.

How an answer is classified (codes: twilio.com/docs/api/errors; Twilio adds codes and warns against reading too much
into them, so a code that is not listed goes by its HTTP status; each channel lists its own in `Codes`):

| answer | outcome |
|---|---|
| 200, 201 with an id | Accepted, the id is the `provider_id` |
| 4xx, a code in `suppress`: the recipient said STOP, or is not there | Refused, suppress the number |
| 4xx, a code in `useless`: no number that we can reach, no text, or too long | Refused |
| 4xx, a code in `our_sender` | Failed, names the setting, down |
| 4xx, 14107 20429 21611 30001 and the channel's: too much, too fast | Failed, down |
| 401, 403, 404, or 20003 20404 with another 4xx: our account | Failed, names the setting, down |
| 400 with any other code | Refused: the same request will be refused again |
| 429, 503, a redirect | Failed, not before `Retry-After`, down |
| 500, 502, 504, another 2xx | Failed likewise, uncertain: nobody says that it was not taken |
| no connection | Failed, down |
| no answer in time, the connection broke | Failed, down; uncertain when the request had begun to go out |
| more than 64 KiB, not the JSON that Twilio documents | Failed, down; uncertain with a 2xx |

The delivery's key goes along as `I-Twilio-Idempotency-Token`. Twilio documents that header for the webhooks that it
sends, not for requests that it takes, so nothing here counts on it: an answer that was lost can mean a second message.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from slotwatch.channels.channel import Accepted, Failed, Outcome, Refused, naming_nobody, plain
from slotwatch.channels.http_lanes import HttpLanes
from slotwatch.channels.loopback import is_loopback
from slotwatch.channels.retry_after import retry_after
from slotwatch.channels.twilio_settings import TwilioSettings

__all__ = ["E164", "Codes", "TwilioRest", "callback_url"]

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}\Z")

_LARGEST_ANSWER: Final = 64 * 1024
_SID = re.compile(r"(?:SM|MM|CA)[0-9a-fA-F]{32}\Z")
_OUR_ACCOUNT: Final = frozenset({20003, 20404})
_TOO_FAST: Final = frozenset({14107, 20429, 21611, 30001})
_NOT_TAKEN: Final = frozenset({429, 503})
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What Twilio's error codes mean for one channel. `setting` is looked at when Twilio dislikes our sender."""

    useless: frozenset[int]
    suppress: frozenset[int]
    our_sender: frozenset[int]
    setting: str
    too_fast: frozenset[int] = _TOO_FAST


class _Taken(msgspec.Struct):
    """The part of Twilio's message and call resources that we use."""

    sid: str
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


@dataclass
class _Try:
    """How far one try has come; decides what a lost answer means."""

    handed_over: bool = False
    status: int | None = None
    allowed: float = 0.0

    async def trace(self, event: str, _: Any) -> None:
        """httpcore tells what it does: before the request's first byte it is certain that nothing was accepted."""
        if event.endswith("send_request_headers.started"):
            self.handed_over = True

    @property
    def uncertain(self) -> bool:
        """Whether Twilio may have taken the message all the same."""
        return self.handed_over and (self.status is None or self.status < 300)


class TwilioRest:
    """One Twilio account. `what` is the thing sent, in words: "SMS"."""

    def __init__(self, settings: TwilioSettings, codes: Codes, *, what: str) -> None:
        if settings.account_sid is None or settings.auth_token is None:
            names = f"{settings.ENV['account_sid']} and {settings.ENV['auth_token']}"
            raise ValueError(f"{names} must be set to send by Twilio")
        self._settings = settings
        self._codes = codes
        self._what = what
        self._account_url = f"{settings.base_url.rstrip('/')}/2010-04-01/Accounts/{settings.account_sid}"
        self._lanes = HttpLanes(settings.connections, self._client)
        self._trust: ssl.SSLContext | None = None

    async def create(self, resource: str, form: dict[str, str], *, key: str, timeout: float) -> Outcome:
        """Ask for one message or call, within `timeout` seconds or the configured ones if those are fewer."""
        if self._lanes.is_closed:
            return Failed(f"the channel that sends by Twilio ({self._what}) is closed")
        outcome = await self._create(resource, form, key, min(timeout, self._settings.timeout_seconds))
        return naming_nobody(outcome, form["To"].removeprefix("whatsapp:"))

    async def _create(self, resource: str, form: dict[str, str], key: str, allowed: float) -> Outcome:
        progress = _Try(allowed=allowed)
        deadline = asyncio.timeout(progress.allowed)
        try:
            async with deadline:
                answer = await self._ask("POST", f"/{resource}.json", progress, key=key, form=form)
            return self._outcome(*answer)
        except UnicodeEncodeError:
            return Refused(f"the {self._what} holds characters that cannot be sent")
        except Exception as error:  # the contract: trouble is an outcome, not an exception
            late = f"Twilio did not answer within {round(progress.allowed, 1):g} s"
            words = late if deadline.expired() else _sentence(error)
            return self._lost(words, progress)

    async def check(self) -> str | None:
        """Ask for our own account. None when Twilio knows it and it is active, else a sentence."""
        deadline = asyncio.timeout(self._settings.timeout_seconds)
        try:
            async with deadline:
                status, headers, body = await self._ask("GET", ".json", _Try())
            if status != httpx.codes.OK:
                outcome = self._outcome(status, headers, body)
                return outcome.error if isinstance(outcome, Failed | Refused) else f"Twilio answered {status}"
            account = _read(body, _Account)
        except Exception as error:  # whatever is wrong, the doctor wants a sentence
            if deadline.expired():
                return f"Twilio did not answer within {self._settings.timeout_seconds:g} s"
            return plain(_sentence(error))
        return None if account.status == "active" else plain(f"the Twilio account is {account.status}")

    async def close(self) -> None:
        """Close all connections; again is harmless."""
        await self._lanes.close()

    async def _ask(
        self, method: str, path: str, progress: _Try, *, key: str | None = None, form: dict[str, str] | None = None
    ) -> tuple[int, httpx.Headers, bytes]:
        headers = {} if key is None else {"I-Twilio-Idempotency-Token": plain(key).encode("ascii", "replace").decode()}
        async with (
            self._lanes.client() as client,
            client.stream(
                method, self._account_url + path, data=form, headers=headers, extensions={"trace": progress.trace}
            ) as response,
        ):
            progress.status = response.status_code
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise _HostileAnswerError("Twilio answered more than 64 KiB")
            return response.status_code, response.headers, bytes(body)

    def _client(self, limits: httpx.Limits) -> httpx.AsyncClient:
        settings = self._settings
        if self._trust is None:  # read once, for it takes longer than a request
            self._trust = httpx.create_ssl_context()
        return httpx.AsyncClient(
            auth=(settings.account_sid or "", settings.auth_token or ""),
            # An answer that is not packed cannot unpack into more than we asked for.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=None,  # noqa: S113  the deadline of the try covers everything
            follow_redirects=False,  # our credentials and the driver's number go nowhere else
            limits=limits,
            verify=self._trust,
            trust_env=not is_loopback(httpx.URL(settings.base_url).host),
        )

    def _lost(self, words: str, progress: _Try) -> Failed:
        if progress.uncertain:
            return Failed(plain(f"{words}; the {self._what} may have been accepted"), uncertain=True, down=True)
        return Failed(plain(words), down=True)

    def _outcome(self, status: int, headers: httpx.Headers, body: bytes) -> Outcome:
        if status in {httpx.codes.OK, httpx.codes.CREATED}:
            try:
                taken = _read(body, _Taken)
                if not _SID.match(taken.sid):
                    raise _HostileAnswerError("Twilio's answer is not what it documents: no id")
            except _HostileAnswerError as error:
                return self._lost(str(error), _Try(handed_over=True))
            if taken.status not in {"failed", "undelivered"}:
                return Accepted(taken.sid)
            return self._refusal(httpx.codes.BAD_REQUEST, _Problem(taken.error_code, taken.error_message), None)
        try:
            problem = _read(body, _Problem)
        except _HostileAnswerError:
            problem = _Problem()  # a proxy's page, perhaps: the status still says enough
        return self._refusal(status, problem, retry_after(headers.get("retry-after"), headers.get("date")))

    def _refusal(self, status: int, problem: _Problem, wait: timedelta | None) -> Outcome:
        said = f"{status}" if problem.code is None else f"{status}, code {problem.code}"
        said = plain(f"Twilio answered {said}: {problem.message or 'no reason given'}")
        failed = Failed(said, wait, down=True)
        if 400 <= status < 500:
            return self._client_error(status, problem.code, failed)
        if (status >= 500 and status not in _NOT_TAKEN) or status < 300:
            return replace(failed, error=plain(f"{said}; the {self._what} may have been accepted"), uncertain=True)
        return failed

    def _client_error(self, status: int, code: int | None, failed: Failed) -> Outcome:
        codes, said = self._codes, failed.error
        if code in codes.suppress or code in codes.useless:
            return Refused(said, suppress=code in codes.suppress)
        if code in codes.our_sender:
            return replace(failed, error=plain(f"look at {codes.setting}: {said}"))
        if status in {401, 403, 404} or code in _OUR_ACCOUNT:
            look = f"look at {self._settings.ENV['account_sid']} and _AUTH_TOKEN"
            return replace(failed, error=plain(f"{look}: {said}"))
        if code in codes.too_fast or status == httpx.codes.TOO_MANY_REQUESTS:
            return failed
        if status == httpx.codes.BAD_REQUEST and code is not None:
            return Refused(said)
        return replace(failed, down=False)


def callback_url(settings: TwilioSettings, key: str) -> str | None:
    """Where Twilio reports how a message fares; None when it need not.

    The delivery's key goes along in the address: a report can be matched even when the answer with the id was lost.
    """
    if settings.status_callback_url is None:
        return None
    return f"{settings.status_callback_url}?delivery={quote(key, safe='', errors='replace')}"


def _read(body: bytes, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _HostileAnswerError(f"Twilio's answer is not what it documents: {error}") from error


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
