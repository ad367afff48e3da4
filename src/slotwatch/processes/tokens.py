"""The `token` command: signs one token with the key of this machine."""

from datetime import timedelta
from typing import Literal

import msgspec

from slotwatch.domain.errors import InvalidInput
from slotwatch.domain.ids import parse_ref
from slotwatch.processes.session import read_settings
from slotwatch.wiring import build_signer

__all__ = ["TokenWish", "run_token"]


class TokenWish(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token is for; `vendor` as in VN-1, `phone` in E.164."""

    role: Literal["driver", "vendor", "operator"]
    subject: str
    vendor: str | None
    name: str | None
    email: str | None
    phone: str | None
    hours: float


def run_token(wish: TokenWish) -> None:
    """Print the token. Raises InvalidInput, NotFound (no such form of vendor id) or BadSigningKey."""
    settings = read_settings()
    if not 0 < wish.hours <= 24 * 366:
        raise InvalidInput("A token is good for more than 0 hours and at most a year.")
    signer = build_signer(settings)
    try:
        token = signer.issue(
            wish.subject,
            wish.role,
            vendor_id=None if wish.vendor is None else parse_ref("VN", wish.vendor),
            name=wish.name,
            email=wish.email,
            phone=wish.phone,
            lifetime=timedelta(hours=wish.hours),
        )
    except ValueError as error:
        raise InvalidInput(f"No token was made: {error}.") from error
    print(token)  # noqa: T201
