"""Vendors themselves: made by an operator, and what a vendor says about itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slotwatch.domain.alerts import AlertRules
from slotwatch.domain.errors import InvalidInput, NotFound
from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.desk import Desk

__all__ = [
    "Vendor",
    "VendorProfile",
    "add_vendor",
    "insert_vendor",
    "list_vendors",
    "read_profile",
    "set_alert_rules",
    "set_profile",
]

_PROFILE = "id, name, language, email, spend_cap, alert_rules"
_ADD = Statement(
    "INSERT INTO vendor (name, language, email, created_at) VALUES (:name, :language, :email, :now) RETURNING id"
)
_LIST = Statement(
    "SELECT v.id, v.name, v.language, v.email, v.created_at,"
    " (SELECT count(*) FROM station AS s WHERE s.vendor_id = v.id AND s.removed_at IS NULL) AS stations,"
    " (SELECT count(*) FROM staff AS w WHERE w.vendor_id = v.id AND w.removed_at IS NULL) AS staff"
    " FROM vendor AS v WHERE v.id > :after ORDER BY v.id LIMIT :limit"
)
_READ = Statement(f"SELECT {_PROFILE} FROM vendor WHERE id = :id")  # noqa: S608  # names only
# Two forms of one page, each with columns of its own: who saves one takes nothing back that was saved in the other.
_SET = Statement(
    "UPDATE vendor SET name = :name, language = :language, email = :email, spend_cap = :spend_cap"  # noqa: S608
    f" WHERE id = :id RETURNING {_PROFILE}"
)
_SET_RULES = Statement("UPDATE vendor SET alert_rules = :alert_rules WHERE id = :id")


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One vendor, as operators list them."""

    id: int
    name: str
    language: str
    email: str | None
    created_at: datetime
    stations: int
    staff: int


@dataclass(frozen=True, kw_only=True)
class VendorProfile:
    """`language` is that of drivers who chose none, `email` for what concerns the vendor where there is no staff, and
    `spend_cap` what a day's messages may cost, in minor units (None: the house's cap)."""

    id: int
    name: str
    language: str
    email: str | None
    spend_cap: int | None
    rules: AlertRules


async def insert_vendor(conn: Connection, *, name: str, language: str, email: str | None, now: datetime) -> int:
    """A new vendor's number, in the caller's transaction. Raises InvalidInput."""
    _check_language(language)
    vendor_id: int = await _ADD.fetchval(conn, name=name, language=language, email=email, now=now)
    return vendor_id


async def add_vendor(desk: Desk, *, name: str, language: str = "en", email: str | None = None) -> int:
    """A new vendor, with the house's terms. Name and address were checked by the caller. Raises InvalidInput."""
    async with desk.database.transaction() as conn:
        return await insert_vendor(conn, name=name, language=language, email=email, now=await desk.clock.now(conn))


async def list_vendors(desk: Desk, *, limit: int, after: int = 0) -> list[Vendor]:
    """Vendors in the order in which they were made."""
    async with desk.database.connection() as conn:
        return [Vendor(**row) for row in await _LIST.fetch(conn, limit=limit, after=after)]


async def read_profile(desk: Desk, vendor_id: int) -> VendorProfile:
    """What the vendor says about itself. Raises NotFound."""
    async with desk.database.connection() as conn:
        return _profile(await _READ.fetchrow(conn, id=vendor_id))


async def set_profile(desk: Desk, profile: VendorProfile) -> VendorProfile:
    """The profile as it is now; its rules stay as they are stored. Name and address were checked by the caller.

    Raises NotFound or InvalidInput.
    """
    _check_language(profile.language)
    if profile.spend_cap is not None and not 0 <= profile.spend_cap <= 1_000_000_000:
        raise InvalidInput("The cap on a day's messages is an amount from 0 on.")
    async with desk.database.connection() as conn:
        return _profile(
            await _SET.fetchrow(
                conn,
                id=profile.id,
                name=profile.name,
                language=profile.language,
                email=profile.email,
                spend_cap=profile.spend_cap,
            )
        )


async def set_alert_rules(desk: Desk, vendor_id: int, rules: AlertRules) -> None:
    """When the vendor is alerted from now on. Raises NotFound."""
    async with desk.database.connection() as conn:
        if not await _SET_RULES.execute(conn, id=vendor_id, alert_rules=rules.as_dict()):
            raise NotFound


def _check_language(code: str) -> None:
    if code not in LANGUAGES:
        raise InvalidInput(f"The language is one of {', '.join(LANGUAGES)}.")


def _profile(row: Mapping[str, Any] | None) -> VendorProfile:
    if row is None:
        raise NotFound
    rules = AlertRules.from_dict(row["alert_rules"])
    return VendorProfile(**{name: value for name, value in row.items() if name != "alert_rules"}, rules=rules)
