"""Which channels are on, where links in messages lead, and how patiently deliveries are sent."""

from datetime import timedelta
from typing import ClassVar, Literal

import msgspec

from slotwatch.domain.notices import LOUDER_AFTER, Channel

__all__ = ["CapSettings", "NoticeSettings", "SenderSettings"]


class NoticeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The original's names, kept."""

    email_enabled: bool = True
    sms_enabled: bool = True
    frontend_url: str = "http://127.0.0.1:8080"
    digest: Literal["daily", "weekly", "off"] = "daily"
    louder_after_minutes: float = LOUDER_AFTER.total_seconds() / 60

    ENV: ClassVar[dict[str, str]] = {
        "email_enabled": "EMAIL_ENABLED",
        "sms_enabled": "SMS_ENABLED",
        "frontend_url": "FRONTEND_URL",
        "digest": "SLOTWATCH_DIGEST",
        "louder_after_minutes": "SLOTWATCH_LOUDER_AFTER_MINUTES",
    }

    def __post_init__(self) -> None:
        if not self.frontend_url.startswith(("http://", "https://")):
            raise ValueError("frontend_url must start with http:// or https://")
        if not 0 < self.louder_after_minutes <= 60:
            raise ValueError("louder_after_minutes must be above 0 and at most 60")

    @property
    def louder_after(self) -> timedelta:
        """How long a delivery is waited for before WhatsApp joins in, and as long again before a call."""
        return timedelta(minutes=self.louder_after_minutes)

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that are switched on."""
        switches = {Channel.EMAIL: self.email_enabled, Channel.SMS: self.sms_enabled}
        return frozenset(channel for channel, is_on in switches.items() if is_on)


class SenderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries one claim takes, for how long, and how long one try may last."""

    batch_size: int = 32
    lanes: int = 4
    lease_seconds: float = 30
    timeout_seconds: float = 10
    voice_from: int = 0  # minor units; nobody is called about a cheaper booking
    verified_only: bool = False  # else an address that the driver gave is taken at its word

    ENV: ClassVar[dict[str, str]] = {
        "batch_size": "SLOTWATCH_SENDER_BATCH_SIZE",
        "lanes": "SLOTWATCH_SENDER_LANES",
        "lease_seconds": "SLOTWATCH_SENDER_LEASE_SECONDS",
        "timeout_seconds": "SLOTWATCH_SENDER_TIMEOUT_SECONDS",
        "voice_from": "SLOTWATCH_VOICE_FROM_AMOUNT",
        "verified_only": "SLOTWATCH_VERIFIED_ONLY",
    }

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= 5000:
            raise ValueError("batch_size must be between 1 and 5000")
        if not 1 <= self.lanes <= 64:
            raise ValueError("lanes must be between 1 and 64")
        if self.voice_from < 0:
            raise ValueError("voice_from must not be negative")
        if self.lease_seconds < 2 * self.timeout_seconds:
            raise ValueError("lease_seconds must be at least twice timeout_seconds")


class CapSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What paid messages cost, and how many messages are too many. Amounts are minor units of the house's currency."""

    recipient_cap: int = 40  # paid messages a day to one address
    mail_cap: int = 200  # mails about bookings a day to one address, without those that cannot wait
    code_sms_cap: int = 500  # codes to sign in by SMS within 24 hours, for the whole house
    spend_cap: int | None = None  # a day, for a vendor that names none of its own
    sms_cost: int = 8
    whatsapp_cost: int = 8
    voice_cost: int = 15

    ENV: ClassVar[dict[str, str]] = {
        "recipient_cap": "SLOTWATCH_RECIPIENT_CAP",
        "mail_cap": "SLOTWATCH_MAIL_CAP",
        "code_sms_cap": "SLOTWATCH_CODE_SMS_CAP",
        "spend_cap": "SLOTWATCH_SPEND_CAP",
        "sms_cost": "SLOTWATCH_SMS_COST",
        "whatsapp_cost": "SLOTWATCH_WHATSAPP_COST",
        "voice_cost": "SLOTWATCH_VOICE_COST",
    }

    def __post_init__(self) -> None:
        if min(self.recipient_cap, self.mail_cap) < 1:
            raise ValueError("recipient_cap and mail_cap must be at least 1")
        if self.code_sms_cap < 0:
            raise ValueError("code_sms_cap must not be negative")
        if min(self.spend_cap or 0, self.sms_cost, self.whatsapp_cost, self.voice_cost) < 0:
            raise ValueError("spend_cap and costs must not be negative")

    def cost(self, channel: Channel) -> int:
        """What one message on that channel costs; 0 where messages are free."""
        costs = {
            Channel.SMS: self.sms_cost,
            Channel.WHATSAPP: self.whatsapp_cost,
            Channel.VOICE: self.voice_cost,
        }
        return costs.get(channel, 0)
