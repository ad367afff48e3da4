"""Keeps a few open connections to one SMTP server, so that a mail does not pay for connecting again."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiosmtplib import SMTP

from slotwatch.channels.smtp_settings import SmtpSettings

__all__ = ["SmtpConnection", "SmtpPool", "TrustError"]

# A mail server that does not say goodbye must not hold up our own stop. Seconds.
_FAREWELL_SECONDS = 1.0


class TrustError(Exception):
    """The file with the trusted certificates cannot be used."""


@dataclass(eq=False)
class SmtpConnection:
    """One open, logged-in connection."""

    client: SMTP
    needs_reset: bool = False  # the server still remembers an envelope that it refused

    @property
    def is_open(self) -> bool:
        """Whether the other side has not closed it, as far as we know."""
        return self.client.is_connected


class SmtpPool:
    """At most `settings.connections` connections at once, the one used last is used first."""

    def __init__(self, settings: SmtpSettings, host: str, hello_name: str) -> None:
        self._settings = settings
        self._host = host
        self._hello_name = hello_name
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: list[SmtpConnection] = []
        self._trust: ssl.SSLContext | None = None
        self.closed = False

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until one more connection may be in use."""
        async with self._slots:
            yield

    def take_idle(self) -> SmtpConnection | None:
        """A connection that was given back and still looks open, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            connection.client.close()
        return None

    async def open(self) -> SmtpConnection:
        """Connect, secure, log in. Raises what aiosmtplib raises, or TrustError."""
        settings = self._settings
        client = SMTP(
            hostname=self._host,
            port=settings.port,
            username=settings.username,
            password=settings.password,
            local_hostname=self._hello_name,
            timeout=None,  # the caller's deadline covers the whole try
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=None if settings.security == "none" else self._trusted(),
        )
        await client.connect()
        return SmtpConnection(client)

    def give_back(self, connection: SmtpConnection) -> None:
        """Keep a connection for the next mail."""
        if self.closed or not connection.is_open:
            connection.client.close()
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Say goodbye on every idle connection; those in use are closed when they are given back."""
        self.closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await connection.client.quit()
            connection.client.close()

    def _trusted(self) -> ssl.SSLContext:
        if self._trust is None:
            try:
                trust = ssl.create_default_context()
                if self._settings.ca_file is not None:
                    trust.load_verify_locations(cafile=self._settings.ca_file)
            except (OSError, ssl.SSLError) as error:
                name = self._settings.ENV["ca_file"]
                raise TrustError(f"the certificates in {name} cannot be read: {error}") from error
            self._trust = trust
        return self._trust
