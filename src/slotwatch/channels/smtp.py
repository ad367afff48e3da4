"""E-mail by SMTP.

How an answer is classified (reply codes: RFC 5321 section 4.2, enhanced codes: RFC 3463, login: RFC 4954):

| where | answer | outcome |
|---|---|---|
| anywhere | no connection, no answer in time, connection lost, not SMTP | Failed, down |
| greeting, HELO, STARTTLS, certificate, login | no success | Failed, down, names the setting |
| MAIL FROM | 4xx, 5xx | Failed, down, names the setting: our sender is not welcome |
| anywhere | 421, 454, 530, 534, 535, 538 (closing, TLS or login wanted) | Failed, down |
| RCPT TO, after the message | 4xx, 5xx that is about us (`smtp_refusals.py`) | Failed, down, names the setting |
| RCPT TO | other 5xx | Refused; 5.1.1, 5.1.6, 5.1.10, 5.2.1 (no mailbox, moved, disabled) also suppress the address |
| after the message | other 5xx | Refused: the same mail will be refused again |
| RCPT TO, after the message | other 4xx | Failed; with an enhanced code 4.3.x (the mail system itself) down |
| after the message | 250 | Accepted, with the queue id when the reply has one, else the Message-ID |

A connection that turns out dead when it is used again is replaced once, unseen by the caller, but only before DATA:
until then it is certain that nothing was accepted. After DATA a lost answer is Failed and uncertain, and its error
says that the mail may have gone out; the Message-ID is the same on the next try, so that mail programs can drop the
second copy.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass, replace

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from slotwatch.channels.channel import (
    Accepted,
    ChannelName,
    Failed,
    Message,
    Outcome,
    Refused,
    naming_nobody,
    plain,
    without_address,
)
from slotwatch.channels.mail import Mail, UnfitMessageError, parse_sender, write_mail
from slotwatch.channels.smtp_pool import SmtpConnection, SmtpPool, TrustError
from slotwatch.channels.smtp_refusals import Blame, blamed_on_us
from slotwatch.channels.smtp_settings import SmtpSettings

__all__ = ["SmtpChannel", "SmtpSettings"]

_NOT_THE_RECIPIENT = frozenset({421, 454, 530, 534, 535, 538})
_GONE = re.compile(r"5\.(?:1\.(?:1|6|10)|2\.1)(?!\S)")
_SAFE_KEY = re.compile(r"[A-Za-z0-9_.-]{1,80}\Z")
# How servers name the mail they took: Postfix, aiosmtpd and Exchange; Exim; sendmail; qmail; Amazon SES.
_QUEUE_IDS = (
    re.compile(r"queued as <?([\w.@+-]{3,})", re.IGNORECASE),
    re.compile(r"\bid=([\w.-]{3,})"),
    re.compile(r"InternalId=([\w.-]{3,})"),
    re.compile(r"^(?:2\.0\.0 )?([\w-]{5,}) Message accepted", re.IGNORECASE),
    re.compile(r"^ok \d+ (qp \d+)", re.IGNORECASE),
    re.compile(r"^(?:2\.0\.0 )?ok:? ([0-9a-f]{8,}[\w-]*)", re.IGNORECASE),
)


@dataclass
class _Try:
    """How far one try has come; decides what a lost connection means."""

    handed_over: bool = False

    def failed(self, sentence: str) -> Failed:
        if self.handed_over:
            return Failed(f"{sentence}; the mail may have been accepted", uncertain=True, down=True)
        return Failed(sentence, down=True)


class SmtpChannel:
    """Sends e-mail by one SMTP server."""

    name: ChannelName = "email"
    has_key = False  # the Message-ID stays the same, yet no mail server promises to look

    def __init__(self, settings: SmtpSettings) -> None:
        if settings.host is None or settings.sender is None:
            raise ValueError(f"{settings.ENV['host']} and {settings.ENV['sender']} must be set to send e-mail")
        self.provider = settings.PROVIDER
        self.concurrency = settings.connections
        self._settings = settings
        self._sender = parse_sender(settings.sender)
        # The sender's domain names us: asking DNS for our own name can hang, and tells nobody anything.
        self._pool = SmtpPool(settings, settings.host, self._sender.domain)
        self._server = f"the SMTP server {settings.host}"

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds or the configured ones if those are fewer."""
        if self._pool.closed:
            return Failed("the e-mail channel is closed")
        try:
            mail = self.written(message)
        except UnfitMessageError as error:
            return Refused(str(error))
        return await self.send_written(mail, timeout=timeout)

    def written(self, message: Message) -> Mail:
        """The mail as it goes over the line. Raises UnfitMessageError with a sentence."""
        return self._named(message, write_mail(message, self._sender))

    async def send_written(self, mail: Mail, *, timeout: float) -> Outcome:
        """As `send`, with a mail that is ready."""
        return naming_nobody(await self._try(mail, timeout), mail.recipient)

    async def _try(self, mail: Mail, timeout: float) -> Outcome:
        allowed = min(timeout, self._settings.timeout_seconds)
        progress = _Try()
        deadline = asyncio.timeout(allowed)
        try:
            async with deadline:
                return await self._deliver(mail, progress)
        except Exception as error:  # the contract: trouble is an outcome, not an exception
            if deadline.expired():
                return progress.failed(f"{self._server} did not answer within {round(allowed, 1):g} s")
            return progress.failed(self._sentence(error))

    async def check(self) -> str | None:
        """Connect and log in anew. None when that works, else a sentence."""
        deadline = asyncio.timeout(self._settings.timeout_seconds)
        try:
            async with deadline:
                connection = await self._pool.open()
                try:
                    await connection.client.noop()
                    await connection.client.quit()
                finally:
                    connection.client.close()
        except Exception as error:  # whatever is wrong, the doctor wants a sentence
            if deadline.expired():
                return f"{self._server} did not answer within {self._settings.timeout_seconds:g} s"
            return self._sentence(error)
        return None

    async def close(self) -> None:
        """Close the idle connections; a send under way finishes and closes its own."""
        await self._pool.close()

    def _named(self, message: Message, mail: Mail) -> Mail:
        """Postmark replaces our Message-ID, but gives this header back with its receipts (`receipts_postmark.py`)."""
        if not (self._settings.host or "").endswith(".postmarkapp.com") or not _SAFE_KEY.match(message.key):
            return mail
        return replace(mail, data=f"X-PM-Metadata-delivery: {message.key}\r\n".encode() + mail.data)

    async def _deliver(self, mail: Mail, progress: _Try) -> Outcome:
        async with self._pool.slot():
            used = self._pool.take_idle()
            if used is not None:
                try:
                    return await self._hand_over(used, mail, progress)
                except (SMTPServerDisconnected, SMTPResponseException) as error:
                    if progress.handed_over or not _is_dead(error):
                        raise
            return await self._hand_over(await self._pool.open(), mail, progress)

    async def _hand_over(self, connection: SmtpConnection, mail: Mail, progress: _Try) -> Outcome:
        """Send one mail; the connection goes back to the pool only when it is known to be in order."""
        usable = False
        try:
            outcome = await self._transact(connection, mail, progress)
            usable = True
            return outcome
        finally:
            if usable:
                self._pool.give_back(connection)
            else:
                connection.client.close()

    async def _transact(self, connection: SmtpConnection, mail: Mail, progress: _Try) -> Outcome:
        client = connection.client
        if connection.needs_reset:
            await client.rset()
            connection.needs_reset = False
        if mail.needs_utf8 and not client.supports_extension("smtputf8"):
            await client.ehlo()  # a new connection without TLS and login has not asked yet
            if not client.supports_extension("smtputf8"):
                return Refused(f"{self._server} takes only addresses in ASCII")
        encoding = "utf-8" if mail.needs_utf8 else "ascii"
        options = ["SMTPUTF8"] if mail.needs_utf8 else []
        try:
            await client.mail(mail.sender, options=options, encoding=encoding)
            await client.rcpt(mail.recipient, encoding=encoding)
            progress.handed_over = True
            reply = await client.data(mail.data)
        except (SMTPRecipientRefused, SMTPDataError) as error:
            if not 400 <= error.code < 600:
                raise
            progress.handed_over = False  # the server answered: it did not take the mail
            if error.code == 421:
                raise  # it is closing the connection
            connection.needs_reset = True
            return self._refusal(error)
        return Accepted(_queue_id(reply.message) or mail.message_id)

    def _refusal(self, error: SMTPRecipientRefused | SMTPDataError) -> Outcome:
        whom = "the recipient" if isinstance(error, SMTPRecipientRefused) else "the mail"
        blame = blamed_on_us(without_address(error.message, ""))
        if blame is not None:
            return Failed(plain(f"{self._wanting(blame)}: {error.code} {error.message}"), down=True)
        sentence = plain(f"{self._server} refused {whom}: {error.code} {error.message}")
        if error.code < 500 or error.code in _NOT_THE_RECIPIENT:
            return Failed(sentence, down=error.code in _NOT_THE_RECIPIENT or error.message.startswith("4.3."))
        gone = isinstance(error, SMTPRecipientRefused) and _GONE.match(error.message) is not None
        return Refused(sentence, suppress=gone)

    def _wanting(self, blame: Blame) -> str:
        """What every mail is refused for, and what to set."""
        names = self._settings.ENV
        match blame:
            case "login":
                return f"{self._server} does not pass our mail on; look at {names['username']} and _PASSWORD"
            case "sender":
                return f"{self._server} does not take mail from our sender; look at {names['sender']}"
            case "machine":
                return f"{self._server} does not take mail from this machine; look at {names['host']}"

    def _sentence(self, error: BaseException) -> str:
        """What is wrong, in words, and which setting may be to blame."""
        names = self._settings.ENV
        cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
        match cause:
            case ssl.SSLCertVerificationError():
                words = f"the certificate of {self._server} is not trusted ({cause.verify_message}); "
                words += f"{names['ca_file']} can name another authority"
            case ssl.SSLError():
                words = f"{self._server} and we found no common TLS; look at {names['security']}: {cause}"
            case TrustError():
                words = str(cause)
            case SMTPAuthenticationError():
                words = f"{self._server} refused {names['username']} and _PASSWORD: {cause.code} {cause.message}"
            case SMTPSenderRefused():
                words = f"{self._server} refused {names['sender']}: {cause.code} {cause.message}"
            case SMTPResponseException():
                words = f"{self._server} answered {cause.code} {cause.message}"
            case SMTPException():
                words = f"{self._server}: {cause.message}"
            case _:
                words = f"{self._server}: {cause!r}"
        return plain(words)


def _is_dead(error: SMTPServerDisconnected | SMTPResponseException) -> bool:
    return isinstance(error, SMTPServerDisconnected) or error.code == 421


def _queue_id(reply: str) -> str | None:
    for pattern in _QUEUE_IDS:
        found = pattern.search(reply)
        if found is not None:
            return found[1][:100]
    return None
