"""A mail server for tests: aiosmtpd in a thread on a free loopback port; answers can be set for each recipient."""

import asyncio
import contextlib
import ipaddress
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["DROP", "HANG", "LOSE_ANSWER", "Certificate", "MailSink", "ReceivedMail", "mail_sink", "make_certificate"]

HANG = "hang"  # never answer
DROP = "drop"  # close the connection instead of answering
LOSE_ANSWER = "lose answer"  # keep the mail, then close the connection instead of answering


@dataclass(frozen=True)
class Certificate:
    """A certificate that nobody signed but itself, for 127.0.0.1 and localhost, good for an hour."""

    file: Path  # certificate and key, PEM
    server_context: ssl.SSLContext


@dataclass(frozen=True)
class ReceivedMail:
    """One mail as it came in."""

    sender: str
    recipient: str
    data: bytes
    connection: int  # the number of the connection that it came by, from 1
    login: str | None
    over_tls: bool

    @property
    def mail(self) -> EmailMessage:
        """Headers and parts."""
        return message_from_bytes(self.data, policy=policy.default)


@dataclass
class MailSink:
    """What arrived, and what to answer. Answers are an SMTP reply line, HANG, DROP or (after DATA) LOSE_ANSWER."""

    on_mail: str | None = None
    on_rcpt: dict[str, str] = field(default_factory=dict)
    on_data: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    mails: list[ReceivedMail] = field(default_factory=list)
    resets: int = 0
    hanging: threading.Event = field(default_factory=threading.Event)  # set once somebody waits for an answer in vain
    port: int = 0
    host: str = "127.0.0.1"
    _lines: list["_Protocol"] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def connections(self) -> int:
        """How many clients have said hello so far."""
        return len(self._lines)

    @property
    def open_connections(self) -> int:
        """How many of them are still connected."""
        return sum(line.transport is not None for line in self._lines)

    def to(self, recipient: str) -> list[ReceivedMail]:
        """The mails that came in for `recipient`, oldest first."""
        return [mail for mail in self.mails if mail.recipient == recipient]

    def drop_connections(self) -> None:
        """Cut every open connection, as a server does that restarts."""
        assert self._loop is not None

        async def cut() -> None:
            for line in self._lines:
                line.cut()

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result(5)

    # aiosmtpd calls what follows, in its own thread.

    async def handle_EHLO(
        self, server: "_Protocol", session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if server not in self._lines:
            self._lines.append(server)
        return responses

    async def handle_RSET(self, server: "_Protocol", session: Session, envelope: Envelope) -> str:
        self.resets += 1
        return "250 OK"

    async def handle_MAIL(
        self, server: "_Protocol", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.on_mail is not None:
            return await self._act(server, self.on_mail)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: "_Protocol", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.on_rcpt:
            return await self._act(server, self.on_rcpt[address])
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: "_Protocol", session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        answer = self.on_data.get(recipient)
        if answer is None or answer == LOSE_ANSWER:
            self.mails.append(
                ReceivedMail(
                    sender=envelope.mail_from or "",
                    recipient=recipient,
                    data=envelope.content if isinstance(envelope.content, bytes) else b"",
                    connection=self._lines.index(server) + 1,
                    login=session.auth_data.login.decode() if session.auth_data else None,
                    over_tls=session.ssl is not None,
                )
            )
        if answer is not None:
            return await self._act(server, answer)
        return f"250 2.0.0 Ok: queued as {len(self.mails):08X}"

    async def _act(self, server: "_Protocol", answer: str) -> str:
        if answer == HANG:
            self.hanging.set()
            await asyncio.Event().wait()
        if answer in {DROP, LOSE_ANSWER}:
            server.cut()
            await asyncio.Event().wait()  # until aiosmtpd notices that the connection is gone
        return answer

    def authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
        """Let in who is in `users`."""
        assert isinstance(login, LoginPassword)
        known = self.users.get(login.login.decode()) == login.password.decode()
        return AuthResult(success=known, handled=False, auth_data=login)


class _Protocol(SMTP):
    def cut(self) -> None:
        transport = self._original_transport or self.transport
        if isinstance(transport, asyncio.WriteTransport):
            with contextlib.suppress(AttributeError):  # a TLS transport that is closed has no protocol (Python 3.11)
                transport.abort()


class _Server(Controller):
    def factory(self) -> _Protocol:
        return _Protocol(self.handler, loop=self.loop, **self.SMTP_kwargs)

    async def _create_server(self) -> asyncio.AbstractServer:
        server = await self.loop.create_server(self._factory_invoker, host=self.hostname, port=0, ssl=self.ssl_context)
        self.port = server.sockets[0].getsockname()[1]
        return server


@contextlib.contextmanager
def mail_sink(
    *,
    starttls: Certificate | None = None,
    tls: Certificate | None = None,
    users: dict[str, str] | None = None,
    smtputf8: bool = True,
) -> Iterator[MailSink]:
    """Start a mail server, stop it at the end. With `users` it takes mail only after a login (and STARTTLS)."""
    sink = MailSink(users=users or {})
    server = _Server(
        sink,
        hostname=sink.host,
        server_hostname="sink.test",
        ssl_context=tls.server_context if tls else None,
        tls_context=starttls.server_context if starttls else None,
        authenticator=sink.authenticate if users else None,
        auth_required=bool(users),
        enable_SMTPUTF8=smtputf8,
    )
    server.start()
    sink.port = server.port
    sink._loop = server.loop
    try:
        yield sink
    finally:
        sink.drop_connections()
        server.stop()


@contextlib.contextmanager
def make_certificate() -> Iterator[Certificate]:
    """Make a certificate and keep it in a folder of its own while it is needed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slotwatch test")])
    now = datetime.now(UTC)
    alternatives: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "certificate.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        yield Certificate(file, context)
