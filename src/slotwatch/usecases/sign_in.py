"""Somebody proved an address: whose accounts it opens, and the session that begins.

An address opens an account only if that account's owner proved the address before. A driver's row may carry an address
that nobody proved, put in by a client or by somebody who hoped that its owner would come and fill the account
(pre-hijacking); such a row is left alone, and whoever proves the address gets a new account of their own.
"""

import secrets
from dataclasses import dataclass

from slotwatch.domain.errors import NotFound
from slotwatch.domain.notices import Channel
from slotwatch.storage.accounts import StaffMember, driver_with, make_driver_with, staff_with
from slotwatch.storage.people import Driver
from slotwatch.storage.sessions import DRIVER_STAYS, STAFF_STAYS, open_session
from slotwatch.storage.statements import Connection
from slotwatch.usecases.desk import Desk

__all__ = ["ProvenAddress", "accounts_of", "sign_in_driver", "sign_in_staff"]


@dataclass(frozen=True)
class ProvenAddress:
    """An e-mail address or a phone number (E.164) that somebody proved to be theirs, just now."""

    channel: Channel  # email or sms
    address: str

    @property
    def subject(self) -> str:
        """What a new driver is called in tokens."""
        return f"email:{self.address.lower()}" if self.channel is Channel.EMAIL else f"phone:{self.address}"


async def accounts_of(desk: Desk, proven: ProvenAddress) -> tuple[StaffMember | None, Driver | None]:
    """Whose accounts that address opens. Neither: a new driver's."""
    async with desk.database.connection() as conn:
        member = await staff_with(conn, proven.address) if proven.channel is Channel.EMAIL else None
        return member, await driver_with(conn, proven.channel, proven.address)


async def sign_in_staff(desk: Desk, proven: ProvenAddress) -> str:
    """A session of the staff with that address: the cookie's token. Raises NotFound: nobody (any more)."""
    async with desk.database.transaction() as conn:
        member = await staff_with(conn, proven.address) if proven.channel is Channel.EMAIL else None
        if member is None:
            raise NotFound
        now = await desk.clock.now(conn)
        return await open_session(conn, now=now, lasts=STAFF_STAYS, staff_id=member.id)


async def sign_in_driver(desk: Desk, proven: ProvenAddress) -> str:
    """A session of the driver who proved that address, or of a new one: the token for the cookie."""
    async with desk.database.transaction() as conn:
        driver = await _driver(desk, conn, proven)
        now = await desk.clock.now(conn)
        return await open_session(conn, now=now, lasts=DRIVER_STAYS, driver_id=driver.id)


async def _driver(desk: Desk, conn: Connection, proven: ProvenAddress) -> Driver:
    """The driver with the proven address, made on first sight.

    The usual subject may be taken: by the same person a moment ago, or by somebody whose address this was once and who
    goes by another today. Then the account gets a subject with a tail.
    """
    now = await desk.clock.now(conn)
    for tail in ("", f":{secrets.token_hex(4)}", f":{secrets.token_hex(8)}"):
        driver = await driver_with(conn, proven.channel, proven.address)
        if driver is None:
            subject = proven.subject + tail
            driver = await make_driver_with(conn, proven.channel, proven.address, subject=subject, now=now)
        if driver is not None:
            return driver
    raise AssertionError("no free subject among three random ones")
