"""Delivery keys: the same for one delivery, never the same for two houses or before and after a backup."""

from datetime import UTC, datetime, timedelta

import pytest

from slotwatch.domain.notices import Channel
from slotwatch.outbox.keys import delivery_key, notice_named_by

AT = datetime(2026, 3, 2, 12, 0, 0, 123457, tzinfo=UTC)


def test_a_key_names_its_notice_and_nothing_else() -> None:
    key = delivery_key(7, AT, Channel.SMS)
    assert notice_named_by(key) == (7, AT)
    assert key == delivery_key(7, AT.astimezone(), Channel.SMS)
    later = delivery_key(7, AT + timedelta(microseconds=1), Channel.SMS)
    assert len({key, later, delivery_key(8, AT, Channel.SMS), delivery_key(7, AT, Channel.EMAIL)}) == 4


def test_the_longest_key_fits_wherever_keys_go() -> None:
    key = delivery_key(10**18 - 1, AT.replace(year=4000), Channel.WHATSAPP)
    assert len(key) <= 50 and notice_named_by(key) is not None


@pytest.mark.parametrize(
    "key",
    [None, "", "7-sms", "7--sms", "7-64c09ee5ef000", "7-64C09EE5EF000-sms", "7-" + "f" * 15 + "-sms", "7-1-sms\n", "x"],
)
def test_what_is_no_key_of_ours_names_nothing(key: str | None) -> None:
    assert notice_named_by(key) is None
