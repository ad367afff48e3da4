"""What is particular to some mail servers: how they name the mail they took, and by what they give our name back."""

import pytest

from slotwatch.channels import Message, SmtpChannel, SmtpSettings
from slotwatch.channels.mail import parse_sender, write_mail
from slotwatch.channels.smtp import _queue_id


@pytest.mark.parametrize(
    ("reply", "queue_id"),
    [
        ("2.0.0 Ok: queued as 4F2B71A0C3", "4F2B71A0C3"),
        ("Ok, queued as <abc-123@relay.example>", "abc-123@relay.example"),
        ("OK id=1tAbCd-000000001Xy-2Z3w", "1tAbCd-000000001Xy-2Z3w"),
        ("2.0.0 49UFZx7C012345 Message accepted for delivery", "49UFZx7C012345"),
        (
            "Ok 0100018f1c2d3e4f-a1b2c3d4-e5f6-7890-abcd-ef0123456789-000000",
            "0100018f1c2d3e4f-a1b2c3d4-e5f6-7890-abcd-ef0123456789-000000",
        ),
        ("2.6.0 <x@y.example> [InternalId=1234567890, Hostname=mx.example] Queued mail for delivery", "1234567890"),
        ("ok 1700000000 qp 12345", "qp 12345"),
        ("OK", None),
        ("2.0.0 Message accepted for delivery", None),
        ("", None),
    ],
)
def test_the_queue_id_is_found_in_the_words_of_the_common_servers(reply: str, queue_id: str | None) -> None:
    assert _queue_id(reply) == queue_id


@pytest.mark.parametrize(
    ("host", "key", "named"),
    [
        ("smtp.postmarkapp.com", "delivery-7", True),
        ("smtp.postmarkapp.com", "a\r\nBcc: x@example.com", False),
        ("smtp.postmarkapp.com.example", "delivery-7", False),
        ("mail.example", "delivery-7", False),
    ],
)
def test_postmark_alone_is_told_the_deliverys_key_in_a_header(host: str, key: str, named: bool) -> None:
    channel = SmtpChannel(SmtpSettings(host=host, sender="s@slotwatch.example"))
    message = Message(key=key, to="sam@example.com", subject="Go", text="Go.")
    mail = write_mail(message, parse_sender("s@slotwatch.example"))

    data = channel._named(message, mail).data

    assert data == (b"X-PM-Metadata-delivery: delivery-7\r\n" if named else b"") + mail.data
