"""Settings of a Twilio account, and of a second one that steps in when the first is down."""

import re
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec

from slotwatch.channels.loopback import is_loopback

__all__ = ["SecondTwilioSettings", "TwilioSettings"]

_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}\Z")
_SERVICE_SID = re.compile(r"MG[0-9a-fA-F]{32}\Z")


class TwilioSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Twilio. Without an account there is none, and SMS goes to the local inbox."""

    PROVIDER: ClassVar[str] = "twilio"
    ENV: ClassVar[dict[str, str]] = {
        "account_sid": "SLOTWATCH_TWILIO_ACCOUNT_SID",
        "auth_token": "SLOTWATCH_TWILIO_AUTH_TOKEN",
        "sender": "SLOTWATCH_TWILIO_FROM",
        "messaging_service_sid": "SLOTWATCH_TWILIO_MESSAGING_SERVICE_SID",
        "base_url": "SLOTWATCH_TWILIO_BASE_URL",
        "status_callback_url": "SLOTWATCH_TWILIO_STATUS_CALLBACK_URL",
        "timeout_seconds": "SLOTWATCH_TWILIO_TIMEOUT_SECONDS",
        "connections": "SLOTWATCH_TWILIO_CONNECTIONS",
    }

    account_sid: str | None = None
    auth_token: str | None = None
    sender: str | None = None  # a number of ours in E.164, a short code or a sender name
    messaging_service_sid: str | None = None  # lets Twilio choose the sender
    base_url: str = "https://api.twilio.com"
    status_callback_url: str | None = None  # where Twilio reports how a message fares; None: nobody asks
    timeout_seconds: float = 10.0
    connections: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.timeout_seconds <= 600:
            raise ValueError(f"{self.ENV['timeout_seconds']} must be above 0 and at most 600")
        if not 1 <= self.connections <= 100:
            raise ValueError(f"{self.ENV['connections']} must be between 1 and 100")
        for name in ("base_url", "status_callback_url"):
            self._check_url(name)
        if self.account_sid is not None:
            self._check_account(self.account_sid)

    def _check_url(self, name: str) -> None:
        text: str | None = getattr(self, name)
        if text is None:
            return
        url = urlsplit(text)
        secure = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))
        if not secure or not url.hostname or "?" in text or "#" in text or url.username is not None:
            raise ValueError(
                f"{self.ENV[name]} must be an https:// address (http:// on this machine itself only), "
                "without user, query or fragment"
            )

    def _check_account(self, account_sid: str) -> None:
        names = self.ENV
        if not _ACCOUNT_SID.match(account_sid):
            raise ValueError(f"{names['account_sid']} must be AC and 32 hexadecimal digits")
        if not self.auth_token:
            raise ValueError(f"{names['auth_token']} must be set when {names['account_sid']} is")
        if self.messaging_service_sid is not None and not _SERVICE_SID.match(self.messaging_service_sid):
            raise ValueError(f"{names['messaging_service_sid']} must be MG and 32 hexadecimal digits")
        if self.sender is None and self.messaging_service_sid is None:
            raise ValueError(f"{names['sender']} or {names['messaging_service_sid']} must say who the SMS is from")

    @property
    def configured(self) -> bool:
        """Whether there is an account to send by."""
        return self.account_sid is not None

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(account_sid={self.account_sid!r}, auth_token=***, sender={self.sender!r}, "
            f"messaging_service_sid={self.messaging_service_sid!r}, base_url={self.base_url!r})"
        )


class SecondTwilioSettings(TwilioSettings, frozen=True, kw_only=True):
    """A second account, for SMS when the first is down."""

    PROVIDER: ClassVar[str] = "twilio2"
    ENV: ClassVar[dict[str, str]] = {
        field: name.replace("_TWILIO_", "_TWILIO2_") for field, name in TwilioSettings.ENV.items()
    }
