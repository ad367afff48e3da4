"""The environment becomes settings; whatever cannot be used is a sentence that names the variable."""

import pytest

from slotwatch.config import BadSetting, known_variables, load_settings, unknown_variables
from slotwatch.domain.notices import USUAL_CHANNELS, Channel


def test_without_variables_every_part_has_its_defaults() -> None:
    settings = load_settings({})
    assert settings.booking.grace_period_minutes == 30
    assert settings.notices.channels == USUAL_CHANNELS
    assert settings.database.url is None


def test_the_originals_names_still_work() -> None:
    settings = load_settings(
        {
            "FRONTEND_URL": "https://charge.example",
            "EMAIL_ENABLED": "false",
            "SMS_ENABLED": "TRUE",
            "GRACE_PERIOD_MINUTES": "45",
        }
    )
    assert settings.notices.frontend_url == "https://charge.example"
    assert settings.notices.channels == {Channel.SMS}
    assert settings.booking.house_terms().grace_period_minutes == 45


def test_an_empty_value_is_as_good_as_none() -> None:
    assert load_settings({"GRACE_PERIOD_MINUTES": "", "DATABASE_URL": "  "}) == load_settings({})


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("GRACE_PERIOD_MINUTES", "soon", "GRACE_PERIOD_MINUTES must be a whole number, but is 'soon'."),
        ("GRACE_PERIOD_MINUTES", "0", "GRACE_PERIOD_MINUTES must be between 1 and 480, but is '0'."),
        ("SLOTWATCH_PAYMENTS", "gold", "SLOTWATCH_PAYMENTS must be one of off, local, but is 'gold'."),
        ("SMS_ENABLED", "maybe", "SMS_ENABLED must be true or false, but is 'maybe'."),
        ("SLOTWATCH_PAYMENT_HOLD_MINUTES", "x", "SLOTWATCH_PAYMENT_HOLD_MINUTES must be a number, but is 'x'."),
        (
            "SLOTWATCH_TRUSTED_PROXIES",
            "10.0.0.1, 0.0.0.0/0",
            "SLOTWATCH_TRUSTED_PROXIES must not be everybody, but is '10.0.0.1, 0.0.0.0/0'.",
        ),
        ("FRONTEND_URL", "here", "FRONTEND_URL must start with http:// or https://, but is 'here'."),
        (
            "SLOTWATCH_POSTGRES_PORT",
            "80",
            "SLOTWATCH_POSTGRES_PORT: the port of the embedded PostgreSQL must be between 1024 and 65535;"
            " SLOTWATCH_POSTGRES_PORT is '80'.",
        ),
    ],
)
def test_a_wrong_value_names_variable_expectation_and_value(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load_settings({variable: value})
    assert refused.value.message == sentence


def test_settings_that_belong_together_are_named_together() -> None:
    with pytest.raises(BadSetting, match="SLOTWATCH_SMTP_FROM must say who mail is from"):
        load_settings({"SLOTWATCH_SMTP_HOST": "mail.example"})


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(BadSetting) as refused:
        load_settings({"DATABASE_URL": "mysql://me:hunter2@db/slotwatch"})
    assert "DATABASE_URL must look like postgresql://" in refused.value.message
    assert "hunter2" not in refused.value.message


def test_an_unknown_variable_is_told_with_the_one_it_may_have_meant() -> None:
    said = unknown_variables({"SLOTWATCH_SMTP_HSOT": "x", "SLOTWATCH_ZEBRA": "x", "SLOTWATCH_SMTP_HOST": "x"})
    assert said == [
        "SLOTWATCH_SMTP_HSOT is not a setting of slotwatch: did you mean SLOTWATCH_SMTP_HOST?",
        "SLOTWATCH_ZEBRA is not a setting of slotwatch: it has no effect.",
    ]


def test_no_variable_feeds_two_settings() -> None:
    from slotwatch import config  # the private walk over the sections is what this claim is about

    variables = [name for _, section in config._sections() for name in section.ENV.values()]
    assert sorted(variables) == known_variables()
