"""Which driver is calling: the row behind a token's `sub`, remembered, because it never changes its number."""

from collections.abc import Callable

from slotwatch.domain.errors import NotFound
from slotwatch.storage.people import Driver, ensure_driver, find_driver
from slotwatch.storage.preferences import load_reach
from slotwatch.usecases.contact import check_still_told
from slotwatch.usecases.desk import Desk
from slotwatch.web.api.shapes import Contact
from slotwatch.web.contact import checked_email, checked_name, checked_phone
from slotwatch.web.contract import ApiRequest
from slotwatch.web.problems import FieldError, FieldsRefused

__all__ = ["DriverBook", "driver_who_books"]

_MOST_REMEMBERED = 50_000


class DriverBook:
    """Numbers of drivers by subject, so that a check-in need not look its driver up first."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ids: dict[str, int] = {}

    async def find(self, subject: str) -> int | None:
        """The driver's number; None for somebody who never booked nor chose anything. Makes nobody."""
        known = self._ids.get(subject)
        if known is not None:
            return known
        async with self._desk.database.connection() as conn:
            driver = await find_driver(conn, subject)
        if driver is not None:
            self.remember(driver)
        return None if driver is None else driver.id

    async def get(self, subject: str) -> int:
        """The driver's number. Raises NotFound: who never booked has no bookings."""
        known = self._ids.get(subject) or await self.find(subject)
        if known is None:
            raise NotFound
        return known

    def remember(self, driver: Driver) -> None:
        """Keep the number; the oldest goes when there are too many."""
        if len(self._ids) >= _MOST_REMEMBERED:
            self._ids.pop(next(iter(self._ids)))
        self._ids[driver.subject] = driver.id


async def driver_who_books(request: ApiRequest, contact: Contact | None) -> Driver:
    """The driver, made on first sight; a contact in the request replaces what was known, one in the token fills gaps
    and, where the token proves it, is a verified address.

    Raises FieldsRefused, and ContactNeeded where the new contact would leave a held booking without a way to them.
    """
    desk: Desk = request.app.state.desk
    caller, given = request.user, contact or Contact()
    name = _checked("contact.name", checked_name, given.name)
    email = _checked("contact.email", checked_email, given.email)
    phone = _checked("contact.phone", checked_phone, given.phone)
    async with desk.database.transaction() as conn:
        now = await desk.clock.now(conn)
        known = await find_driver(conn, caller.subject)
        before = await load_reach(conn, caller.subject, lock=True) if email or phone else None
        driver = await ensure_driver(
            conn,
            caller.subject,
            now=now,
            name=name or (None if known and known.name else caller.name),
            email=email or (None if known and known.email else caller.email),
            phone=phone or (None if known and known.phone else caller.phone),
            proven_email=caller.proven_email,
            proven_phone=caller.proven_phone,
        )
        if before is not None:
            await check_still_told(desk, conn, caller.subject, before)
    book: DriverBook = request.app.state.drivers
    book.remember(driver)
    return driver


def _checked(path: str, check: Callable[[str], str], text: str | None) -> str | None:
    try:
        return None if text is None else check(text)
    except ValueError as error:
        raise FieldsRefused(FieldError(path, str(error))) from error
