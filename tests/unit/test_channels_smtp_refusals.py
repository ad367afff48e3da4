"""Whom a mail server's refusal is about, in the words that the common servers have."""

import pytest

from slotwatch.channels.smtp_refusals import blamed_on_us

US = {
    "login": [
        "5.7.1 <sam@example.com>: Relay access denied",  # Postfix
        "5.7.1 <sam@example.com>: Recipient address rejected: Relay access denied",  # Postfix, older
        "4.7.1 <sam@example.com>: Relay access denied",
        "5.7.1 Unable to relay for sam@example.com",  # IIS
        "5.7.1 Unable to relay",  # Exchange
        "5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
        "5.7.64 TenantAttribution; Relay Access Denied [x.protection.outlook.com]",
        "relay not permitted",  # Exim
        "relay not permitted!",
        "5.7.1 <sam@example.com>... Relaying denied",  # sendmail
        "5.7.1 <sam@example.com>... Relaying denied. Proper authentication required.",
        "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",  # qmail
        "5.7.0 Mail relay denied [203.0.113.7]. Visit the help page",  # Gmail's relay
        "we do not relay",
        "You are not allowed to relay",
        "5.7.1 Authentication required",
        "5.7.57 Client not authenticated to send mail.",
        "Please authenticate first",
        "5.7.8 no",
    ],
    "sender": [
        "5.7.1 <s@example.org>: Sender address rejected: not owned by user sam",  # Postfix, when given the recipient
        "5.1.8 <s@example.org>: Sender address rejected: Domain not found",
        "5.1.8 no such domain",
        "Sender verify failed",  # Exim
        "5.7.60 SMTP; Client does not have permissions to send as this sender",  # Exchange
        "5.2.252 SendAsDenied; a@example.org not allowed to send as b@example.org",
        "The from address does not match a verified Sender Identity.",  # SendGrid
        "Message rejected: Email address is not verified. The following identities failed the check",  # SES
        "5.7.26 This mail is unauthenticated",  # Gmail
        "5.7.1 Email rejected per DMARC policy for example.org",
        "5.7.509 Access denied, sending domain does not pass verification",
    ],
    "machine": [
        "5.7.1 Service unavailable; Client host [203.0.113.7] blocked using zen.example.org",
        "5.7.1 <unknown[203.0.113.7]>: Client host rejected: Access denied",
        "5.5.2 <x>: Helo command rejected: need fully-qualified hostname",
        "5.7.25 no reverse name",
        "5.7.606 Access denied, banned sending IP [203.0.113.7]",
    ],
}

NOT_US = [
    "",
    "5.1.1 no such user",
    "5.1.1 <sam@example.com>: Recipient address rejected: User unknown in relay recipient table",
    "5.1.1 no such user; senders must authenticate to see more",
    "5.2.1 mailbox disabled by DMARC policy",
    "5.7.1 recipient does not accept mail from you",
    "5.7.1 <sam@example.com>: Recipient address rejected: Access denied",
    "5.7.1 <sam@example.com>: Recipient address rejected: SPF of the list's owner",
    "5.7.1 RESOLVER.RST.AuthRequired; authentication required",  # a group that only colleagues may write to
    "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup",
    "5.7.124 SenderNotInAllowedSendersList; sender is not authenticated",
    "5.7.2 this list takes no mail from you",
    "5.7.17 the mailbox has another owner now",
    "5.7.1 Message rejected due to content restrictions",
    "5.7.1 Message contains a link that is listed at uribl.example.org",
    "5.1.1 <sam@example.com>: Recipient address rejected: undeliverable address: host mx.example.com[192.0.2.1] said:"
    " 554 5.7.1 <sam@example.com>: Relay access denied (in reply to RCPT TO command)",
    "Callout verification failed: response was: 550 relay not permitted",
    "Administrative prohibition",
    "4.7.1 Greylisting in action, please come back later",
    "4.2.0 grey-listed",
    "5.7.8x no code",
]


@pytest.mark.parametrize(("blame", "reply"), [(blame, reply) for blame, replies in US.items() for reply in replies])
def test_what_every_mail_would_be_refused_for_is_blamed_on_us(blame: str, reply: str) -> None:
    assert blamed_on_us(reply) == blame


@pytest.mark.parametrize("reply", NOT_US)
def test_what_is_about_the_recipient_or_the_mail_or_in_doubt_is_not(reply: str) -> None:
    assert blamed_on_us(reply) is None


def test_words_on_several_lines_are_read_as_one_sentence() -> None:
    assert blamed_on_us("5.7.1 Unable to\n relay") == "login"
