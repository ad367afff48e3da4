"""Proving that an address is somebody's: a code goes there by the outbox, and whoever can type it has it.

Nothing here decides who that is, and no answer tells whether anybody is known by the address.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from slotwatch.domain.errors import InvalidInput, TooManyCodes
from slotwatch.domain.notices import Channel, NoticeKind, Recipient
from slotwatch.storage.sign_in_codes import CodeLimits, keep_code, use_code
from slotwatch.storage.tell import tell
from slotwatch.usecases.desk import Desk

__all__ = ["CODE_DIGITS", "prove_code", "request_code"]

CODE_DIGITS = 6
_LIMITS = CodeLimits()
_PROVABLE = (Channel.EMAIL, Channel.SMS)


async def request_code(
    desk: Desk,
    channel: Channel,
    address: str,
    *,
    key: bytes,
    caller: str,
    language: str | None = None,
    send: bool = True,
) -> int:
    """Send a new code to the address, which `web/contact.py` has checked; the code's number, which proves nothing.

    `key` is the same for all processes (`app.state.code_key`); `caller` is where the request comes from, such as
    its IP address. With `send` False everything is done but the sending, where only some addresses may have a code.
    Raises TooManyCodes, and InvalidInput where the channel is off.
    """
    _check(desk, channel)
    address = _usual(channel, address)
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    async with desk.database.connection() as conn, conn.transaction():
        number = await keep_code(
            conn,
            channel,
            address,
            code_hash=_hash(key, channel, address, code),
            caller=_digest(key, f"caller {caller}"),
            limits=_LIMITS,
            most_sms=desk.contact.code_sms_cap,
            now=desk.clock.fixed,
        )
        if number is None:
            if channel is Channel.SMS:
                raise TooManyCodes(
                    "No code goes there by SMS now. Use the newest one, your e-mail address, or try later."
                )
            raise TooManyCodes
        if send:
            await tell(
                conn,
                NoticeKind.SIGN_IN_CODE,
                occasion=str(number),
                recipient=_recipient(channel, address, language),
                facts={"code": code, "minutes": int(_LIMITS.lasts.total_seconds() // 60)},
                channels=[channel],
                valid_for=_LIMITS.lasts,
                now=desk.clock.fixed,
            )
        now = await desk.clock.now(conn)
    desk.hint(now)
    return number


async def prove_code(
    desk: Desk, channel: Channel, address: str, code: str, *, key: bytes, numbers: Sequence[int]
) -> int | None:
    """Which of the codes with these numbers that is, if it went to the address within its time and is not used up.

    Then it is used up now, and the others with it; five wrong tries use them up, too. The numbers are those that the
    same browser was given, so that nobody else can try its codes. Spaces in the code are what people type.
    """
    _check(desk, channel)
    address = _usual(channel, address)
    typed = "".join(code.split())
    async with desk.database.connection() as conn:
        return await use_code(
            conn,
            channel,
            address,
            numbers=numbers,
            code_hash=_hash(key, channel, address, typed),
            limits=_LIMITS,
            now=desk.clock.fixed,
        )


def _check(desk: Desk, channel: Channel) -> None:
    if channel not in _PROVABLE or channel not in desk.channels:
        raise InvalidInput(f"No codes are sent by {channel} here.")


def _usual(channel: Channel, address: str) -> str:
    return address.strip().lower() if channel is Channel.EMAIL else address.strip()


def _recipient(channel: Channel, address: str, language: str | None) -> Recipient:
    if channel is Channel.EMAIL:
        return Recipient(email=address, language=language)
    return Recipient(phone=address, language=language)


def _hash(key: bytes, channel: Channel, address: str, code: str) -> str:
    return _digest(key, f"code {channel} {address} {code}")


def _digest(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(errors="replace"), hashlib.sha256).hex()
