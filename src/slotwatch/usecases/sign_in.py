"""Somebody proved an address: whose accounts it opens, and the session that begins.

An address opens an account only if that account's owner proved the address before. A driver's row may carry an address
that nobody proved, put in by a client or by somebody who hoped that its owner would come and fill the account
(pre-hijacking); such a row is left alone, and whoever proves the address gets a new account of their own.
"""

from dataclasses import dataclass

from slotwatch.domain.errors import Conflict, NotFound
from slotwatch.domain.notices import Channel
from slotwatch.storage.accounts import StaffMember, driver_with, make_driver_with, staff_with, wait_for_address
from slotwatch.storage.people import Driver
from slotwatch.storage.sessions import DRIVER_STAYS, STAFF_STAYS, open_session
from slotwatch.storage.sign_in_codes import spend_code
from slotwatch.storage.statements import Connection
from slotwatch.usecases.desk import Desk

__all__ = ["ProvenAddress", "accounts_of", "sign_in_driver", "sign_in_staff"]


@dataclass(frozen=True)
class ProvenAddress:
    """An e-mail address or a phone number (E.164) that somebody proved to be theirs, just now, by the code
    with that number."""

    channel: Channel  # email or sms
    address: str
    code: int


async def accounts_of(desk: Desk, proven: ProvenAddress) -> tuple[StaffMember | None, Driver | None]:
    """Whose accounts that address opens. Neither: a new driver's."""
    async with desk.database.connection() as conn:
        member = await staff_with(conn, proven.address) if proven.channel is Channel.EMAIL else None
        return member, await driver_with(conn, proven.channel, proven.address)


async def sign_in_staff(desk: Desk, proven: ProvenAddress) -> str:
    """A session of the staff with that address: the cookie's token.

    Raises NotFound: nobody (any more), and Conflict: the code has opened a session before.
    """
    async with desk.database.transaction() as conn:
        await _spend(desk, conn, proven)
        member = await staff_with(conn, proven.address) if proven.channel is Channel.EMAIL else None
        if member is None:
            raise NotFound
        now = await desk.clock.now(conn)
        return await open_session(conn, now=now, lasts=STAFF_STAYS, staff_id=member.id)


async def sign_in_driver(desk: Desk, proven: ProvenAddress) -> str:
    """A session of the driver who proved that address, or of a new one: the token for the cookie.

    Raises Conflict: the code has opened a session before.
    """
    async with desk.database.transaction() as conn:
        await _spend(desk, conn, proven)
        driver = await _driver(desk, conn, proven)
        now = await desk.clock.now(conn)
        return await open_session(conn, now=now, lasts=DRIVER_STAYS, driver_id=driver.id)


async def _spend(desk: Desk, conn: Connection, proven: ProvenAddress) -> None:
    if not await spend_code(conn, proven.code, now=desk.clock.fixed):
        raise Conflict("This code has signed somebody in already.")


async def _driver(desk: Desk, conn: Connection, proven: ProvenAddress) -> Driver:
    """The driver with the proven address, made on first sight; of two at once, one makes it and the other finds it."""
    await wait_for_address(conn, proven.address)
    driver = await driver_with(conn, proven.channel, proven.address)
    if driver is not None:
        return driver
    return await make_driver_with(conn, proven.channel, proven.address, now=await desk.clock.now(conn))
