"""Settings of an SMTP server, and of a second one that steps in when the first is down."""

from typing import ClassVar, Literal

import msgspec

from slotwatch.channels.loopback import is_loopback
from slotwatch.channels.mail import parse_sender

__all__ = ["SecondSmtpSettings", "SmtpSecurity", "SmtpSettings"]

SmtpSecurity = Literal["none", "starttls", "tls"]


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the SMTP server. Without a host there is none, and e-mail goes to the local inbox."""

    PROVIDER: ClassVar[str] = "smtp"
    ENV: ClassVar[dict[str, str]] = {
        "host": "SLOTWATCH_SMTP_HOST",
        "port": "SLOTWATCH_SMTP_PORT",
        "username": "SLOTWATCH_SMTP_USERNAME",
        "password": "SLOTWATCH_SMTP_PASSWORD",
        "security": "SLOTWATCH_SMTP_SECURITY",
        "sender": "SLOTWATCH_SMTP_FROM",
        "ca_file": "SLOTWATCH_SMTP_CA_FILE",
        "timeout_seconds": "SLOTWATCH_SMTP_TIMEOUT_SECONDS",
        "connections": "SLOTWATCH_SMTP_CONNECTIONS",
    }

    host: str | None = None
    port: int | None = None  # None: 587 with starttls, 465 with tls, 25 with none
    username: str | None = None
    password: str | None = None
    security: SmtpSecurity = "starttls"
    sender: str | None = None
    ca_file: str | None = None  # more certificates to trust, in PEM
    timeout_seconds: float = 10.0
    connections: int = 4

    def __post_init__(self) -> None:
        names = self.ENV
        if self.port is not None and not 0 < self.port < 65536:
            raise ValueError(f"{names['port']} must be between 1 and 65535")
        if not 0 < self.timeout_seconds <= 600:
            raise ValueError(f"{names['timeout_seconds']} must be above 0 and at most 600")
        if not 1 <= self.connections <= 100:
            raise ValueError(f"{names['connections']} must be between 1 and 100")
        if self.host is None:
            return
        if self.sender is None:
            raise ValueError(f"{names['sender']} must say who mail is from when {names['host']} is set")
        try:
            parse_sender(self.sender)
        except ValueError as error:
            raise ValueError(f"{names['sender']}: {error}") from error
        self._check_login(self.host)

    def _check_login(self, host: str) -> None:
        if (self.username is None) != (self.password is None):
            raise ValueError(f"{self.ENV['username']} and {self.ENV['password']} belong together")
        if self.username is not None and self.security == "none" and not is_loopback(host):
            raise ValueError(
                f"{self.ENV['security']}=none would send the password readable over the network; use starttls or tls"
            )

    @property
    def configured(self) -> bool:
        """Whether there is a server to send by."""
        return self.host is not None

    def __repr__(self) -> str:
        login = "None" if self.username is None else f"{self.username!r}, password=***"
        return (
            f"{type(self).__name__}(host={self.host!r}, port={self.port!r}, security={self.security!r}, "
            f"sender={self.sender!r}, username={login})"
        )


class SecondSmtpSettings(SmtpSettings, frozen=True, kw_only=True):
    """A second server, for mail when the first is down."""

    PROVIDER: ClassVar[str] = "smtp2"
    ENV: ClassVar[dict[str, str]] = {
        field: name.replace("_SMTP_", "_SMTP2_") for field, name in SmtpSettings.ENV.items()
    }
