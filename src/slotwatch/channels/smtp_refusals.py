"""Whom a mail server's refusal is about: this recipient and this mail, or us, so that every mail would fare the same.

Reply codes do not say it: 550 5.7.1 stands before "Unable to relay" and before "she takes no mail from you". So the
enhanced code decides where it is clear (RFC 3463, RFC 5248 and its registry, Exchange's own beyond 5.7.50), else the
words that the common servers have, and a doubt is the recipient's. Postfix tells of a sender, a HELO name or a machine
that it does not like only when it is given the recipient. What a server quotes from another one ("host … said: …") is
about the recipient: the other one has nothing to do with us.
"""

import re
from typing import Final, Literal

__all__ = ["Blame", "blamed_on_us"]

Blame = Literal["login", "sender", "machine"]

_CODE = re.compile(r"[45]\.(\d)\.(\d{1,3})(?!\S)")
_RECIPIENTS_OWN: Final = (2, 17, 18, 19, 504, 505, 507, 510, *range(100, 200))  # who may write to this recipient
_BY_CODE: Final[dict[tuple[int, int], Blame | None]] = {
    **dict.fromkeys([(1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 1), (2, 2)], None),  # the mailbox
    **dict.fromkeys([(1, 7), (1, 8)], "sender"),
    **dict.fromkeys([(7, detail) for detail in (8, 9, 10, 11, 12, 14, 54, 57, 64)], "login"),
    **dict.fromkeys(
        [(7, detail) for detail in (20, 21, 22, 23, 24, 26, 27, 60, 501, 502, 503, 509, 511, 750)], "sender"
    ),
    **dict.fromkeys([(7, detail) for detail in (25, 28, 506, 508, 705, 708, *range(606, 650))], "machine"),
    **dict.fromkeys([(7, detail) for detail in _RECIPIENTS_OWN], None),
}
_QUOTED = re.compile(r"\bsaid:|\b(?:was|responded|replied):? *[45]\d\d\b", re.IGNORECASE)
_RELAY = re.compile(
    r"\brelay(?:ing)?(?: +access| +operation| +mail)? +(?:is +)?(?:denied|prohibited|refused|rejected|disabled"
    r"|not +(?:permitted|allowed|authori[sz]ed))"
    r"|\b(?:not|unable|cannot|can't|refus\w+)(?: +to| +allowed +to| +permitted +to| +authori[sz]ed +to)? +relay\b"
    r"|\ballowed +rcpthosts\b",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"\bauthenticat(?:ion|e)(?: +is)? +(?:required|needed)\b"
    r"|\b(?:must|need +to|please)(?: +first)? +(?:authenticate|log *in)\b"
    r"|\b(?:client|you +are|user) +(?:was +|is +)?(?:not +|un)authenticated\b",
    re.IGNORECASE,
)
_SENDER = re.compile(
    r"\bsender +address +rejected\b|\bsender +verif\w+ +failed\b|\bsend +as +this +sender\b|\bSendAsDenied\b"
    r"|\bverified +sender +identity\b|\bsender +signature\b|\bnot +owned +by +user\b"
    r"|\b(?:email +address|domain) +is +not +verified\b|\b(?:SPF|DKIM|DMARC)\b",
    re.IGNORECASE,
)
_MACHINE = re.compile(r"\bclient +host +(?:\S+ +)?(?:rejected|blocked)\b|\bhelo +command +rejected\b", re.IGNORECASE)
_OF_THE_RECIPIENT = re.compile(r"\brecipient +address +rejected\b|\bRESOLVER\.RST\b", re.IGNORECASE)


def blamed_on_us(reply: str) -> Blame | None:
    """What of ours the server does not accept, by its words without the reply code; None: it is not about us.

    >>> blamed_on_us("5.7.1 Unable to relay"), blamed_on_us("5.7.1 she takes no mail from you")
    ('login', None)
    """
    own = " ".join(_QUOTED.split(reply, maxsplit=1)[0].split())
    if _RELAY.search(own):
        return "login"
    code = _CODE.match(own)
    detail = (int(code[1]), int(code[2])) if code else None
    if detail in _BY_CODE:
        return _BY_CODE[detail]
    if _OF_THE_RECIPIENT.search(own):
        return None
    words: tuple[tuple[re.Pattern[str], Blame], ...] = ((_LOGIN, "login"), (_SENDER, "sender"), (_MACHINE, "machine"))
    return next((blame for pattern, blame in words if pattern.search(own)), None)
