"""Settings of the channels: what is refused, in words, and what is never shown."""

from typing import Any

import msgspec
import pytest

from slotwatch.channels import (
    GuardSettings,
    PushSettings,
    SmtpChannel,
    SmtpSettings,
    TwilioSettings,
    TwilioSms,
    VoiceSettings,
    WebhookSettings,
    WhatsAppSettings,
)
from slotwatch.channels.numbers import NumberSettings
from slotwatch.channels.receipts import ReceiptSettings
from slotwatch.channels.smtp_settings import SecondSmtpSettings
from slotwatch.channels.twilio_settings import SecondTwilioSettings

EVERY_SETTINGS = [
    *(GuardSettings, NumberSettings, PushSettings, ReceiptSettings, SecondSmtpSettings, SecondTwilioSettings),
    *(SmtpSettings, TwilioSettings, VoiceSettings, WebhookSettings, WhatsAppSettings),
]

SMTP: dict[str, Any] = {"host": "mail.example", "sender": "s@slotwatch.example"}
TWILIO: dict[str, Any] = {"account_sid": "AC" + "0" * 32, "auth_token": "s3cret", "sender": "+15550001111"}


@pytest.mark.parametrize("settings", EVERY_SETTINGS)
def test_every_setting_has_an_environment_variable_of_its_own(settings: type[msgspec.Struct]) -> None:
    names: dict[str, str] = settings.ENV  # type: ignore[attr-defined]

    assert set(names) == set(settings.__struct_fields__)
    assert len(set(names.values())) == len(names)
    assert all(name.startswith("SLOTWATCH_") for name in names.values())


def test_no_two_parts_read_the_same_variable() -> None:
    names = [name for settings in EVERY_SETTINGS for name in vars(settings)["ENV"].values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("settings", EVERY_SETTINGS)
def test_settings_work_without_any_set_up(settings: type[msgspec.Struct]) -> None:
    assert msgspec.convert({}, settings, strict=False) == settings()


def test_the_second_server_and_account_name_their_own_variables() -> None:
    with pytest.raises(ValueError, match="SLOTWATCH_SMTP2_FROM"):
        SecondSmtpSettings(host="mail.example")
    with pytest.raises(ValueError, match="SLOTWATCH_TWILIO2_AUTH_TOKEN"):
        SecondTwilioSettings(account_sid="AC" + "0" * 32)
    assert SmtpChannel(SecondSmtpSettings(**SMTP)).provider == "smtp2"
    assert TwilioSms(SecondTwilioSettings(**TWILIO)).provider == "twilio2"


def test_without_settings_nothing_is_configured_and_no_channel_can_be_made() -> None:
    assert not SmtpSettings().configured
    assert not TwilioSettings().configured
    with pytest.raises(ValueError, match="SLOTWATCH_SMTP_HOST"):
        SmtpChannel(SmtpSettings())
    with pytest.raises(ValueError, match="SLOTWATCH_TWILIO_ACCOUNT_SID"):
        TwilioSms(TwilioSettings())


def test_settings_are_read_from_the_strings_of_an_environment() -> None:
    given = {**SMTP, "port": "2525", "timeout_seconds": "2.5", "connections": "3", "security": "none"}
    assert msgspec.convert(given, SmtpSettings, strict=False) == SmtpSettings(
        host="mail.example",
        sender="s@slotwatch.example",
        port=2525,
        timeout_seconds=2.5,
        connections=3,
        security="none",
    )


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"port": 0}, "PORT"),
        ({"port": 70000}, "PORT"),
        ({"timeout_seconds": 0}, "TIMEOUT_SECONDS"),
        ({"timeout_seconds": float("nan")}, "TIMEOUT_SECONDS"),
        ({"connections": 0}, "CONNECTIONS"),
        ({"sender": None}, "FROM"),
        ({"sender": "nobody"}, "FROM"),
        ({"username": "sam"}, "USERNAME"),
        ({"password": "s3cret"}, "PASSWORD"),
        ({"username": "sam", "password": "s3cret", "security": "none"}, "SECURITY"),
    ],
)
def test_smtp_settings_that_cannot_work_are_refused_by_name(change: dict[str, Any], variable: str) -> None:
    with pytest.raises(ValueError, match=f"SLOTWATCH_SMTP_{variable}"):
        SmtpSettings(**{**SMTP, **change})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_password_may_go_unencrypted_to_this_machine_only(host: str) -> None:
    assert SmtpSettings(host=host, sender="s@x.example", username="sam", password="s3cret", security="none").configured


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"account_sid": "AC1"}, "ACCOUNT_SID"),
        ({"account_sid": "AC" + "0" * 32 + "\n"}, "ACCOUNT_SID"),
        ({"auth_token": None}, "AUTH_TOKEN"),
        ({"sender": None}, "FROM"),
        ({"messaging_service_sid": "MG1"}, "MESSAGING_SERVICE_SID"),
        ({"base_url": "http://api.twilio.com"}, "BASE_URL"),
        ({"base_url": "ftp://127.0.0.1"}, "BASE_URL"),
        ({"base_url": "https://a:b@api.twilio.com"}, "BASE_URL"),
        ({"base_url": "https://api.twilio.com?x=1"}, "BASE_URL"),
        ({"base_url": "api.twilio.com"}, "BASE_URL"),
        ({"status_callback_url": "http://slotwatch.example/receipts"}, "STATUS_CALLBACK_URL"),
        ({"status_callback_url": "https://slotwatch.example/receipts?x=1"}, "STATUS_CALLBACK_URL"),
        ({"timeout_seconds": -1}, "TIMEOUT_SECONDS"),
        ({"connections": 101}, "CONNECTIONS"),
    ],
)
def test_twilio_settings_that_cannot_work_are_refused_by_name(change: dict[str, Any], variable: str) -> None:
    with pytest.raises(ValueError, match=f"SLOTWATCH_TWILIO_{variable}"):
        TwilioSettings(**{**TWILIO, **change})


def test_secrets_are_never_shown() -> None:
    smtp = SmtpSettings(**SMTP, username="sam", password="s3cret")
    assert "s3cret" not in repr(smtp) + str(smtp)
    twilio = TwilioSettings(**TWILIO)
    assert "s3cret" not in repr(twilio) + str(twilio)
