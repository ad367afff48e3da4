"""Staff of a vendor, and operators: who may sign in to what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from slotwatch.domain.errors import Conflict, InvalidInput, NotFound
from slotwatch.domain.staff import StaffRole
from slotwatch.locale.catalogues import LANGUAGES
from slotwatch.storage.sessions import end_sessions_of_staff
from slotwatch.storage.statements import Connection, Statement
from slotwatch.usecases.desk import Desk

__all__ = [
    "NewPerson",
    "Person",
    "add_person",
    "change_role",
    "insert_person",
    "list_everybody",
    "list_people",
    "remove_person",
]

_COLUMNS = "w.id, w.vendor_id, w.role, w.name, w.email, w.language, w.created_at"
_LIST = Statement(
    f"SELECT {_COLUMNS}, (SELECT max(seen_at) FROM session AS s WHERE s.staff_id = w.id) AS seen_at FROM staff AS w"  # noqa: S608
    " WHERE w.vendor_id IS NOT DISTINCT FROM :vendor_id::bigint AND w.removed_at IS NULL ORDER BY w.name, w.id"
)
_ALL = Statement(
    f"SELECT {_COLUMNS}, NULL::timestamptz AS seen_at FROM staff AS w WHERE w.removed_at IS NULL"  # noqa: S608
    " ORDER BY w.vendor_id NULLS FIRST, w.name, w.id"
)
_HAS_VENDOR = Statement("SELECT EXISTS (SELECT FROM vendor WHERE id = :vendor_id)")
_ADD = Statement(
    "INSERT INTO staff (vendor_id, role, name, email, language, created_at)"
    " VALUES (:vendor_id, :role, :name, :email, :language, :now) RETURNING id"
)
# Everybody of that vendor is locked, in one order, so that two owners cannot send each other away at once.
_LOCK = Statement(
    "SELECT id, role FROM staff WHERE vendor_id IS NOT DISTINCT FROM :vendor_id::bigint AND removed_at IS NULL"
    " ORDER BY id FOR UPDATE"
)
_SET_ROLE = Statement("UPDATE staff SET role = :role WHERE id = :id AND removed_at IS NULL")
_REMOVE = Statement("UPDATE staff SET removed_at = :now WHERE id = :id AND removed_at IS NULL")


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody of the staff; `vendor_id` None: an operator. `seen_at`: when they last looked at a page."""

    id: int
    vendor_id: int | None
    role: StaffRole
    name: str
    email: str
    language: str
    created_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewPerson:
    """Somebody to let in; name and address were checked by the caller."""

    vendor_id: int | None
    role: StaffRole
    name: str
    email: str
    language: str = "en"


async def list_people(desk: Desk, vendor_id: int | None) -> list[Person]:
    """The staff of a vendor, or with None the operators."""
    async with desk.database.connection() as conn:
        return [_person(row) for row in await _LIST.fetch(conn, vendor_id=vendor_id)]


async def list_everybody(desk: Desk) -> list[Person]:
    """Operators first, then the staff of every vendor."""
    async with desk.database.connection() as conn:
        return [_person(row) for row in await _ALL.fetch(conn)]


def _person(row: Mapping[str, Any]) -> Person:
    return Person(**{**row, "role": StaffRole(row["role"])})


async def add_person(desk: Desk, new: NewPerson) -> int:
    """The new person's number: they may sign in at once. Raises NotFound, InvalidInput or Conflict."""
    async with desk.database.transaction() as conn:
        return await insert_person(conn, new, now=await desk.clock.now(conn))


async def insert_person(conn: Connection, new: NewPerson, *, now: datetime) -> int:
    """As `add_person`, in the caller's transaction."""
    if (new.vendor_id is None) != (new.role is StaffRole.OPERATOR):
        raise InvalidInput("An operator belongs to no vendor, and everybody else to one.")
    if new.language not in LANGUAGES:
        raise InvalidInput(f"The language is one of {', '.join(LANGUAGES)}.")
    if new.vendor_id is not None and not await _HAS_VENDOR.fetchval(conn, vendor_id=new.vendor_id):
        raise NotFound("There is no such vendor.")
    try:
        added: int = await _ADD.fetchval(
            conn,
            vendor_id=new.vendor_id,
            role=new.role.value,
            name=new.name,
            email=new.email,
            language=new.language,
            now=now,
        )
    except asyncpg.UniqueViolationError as error:
        raise Conflict(
            "Somebody signs in with this e-mail address already. Each person needs one of their own."
        ) from error
    return added


async def change_role(desk: Desk, vendor_id: int, person_id: int, role: StaffRole) -> None:
    """What they may do from now on; again changes nothing. Raises NotFound, InvalidInput or Conflict (last owner)."""
    if role is StaffRole.OPERATOR:
        raise InvalidInput("A vendor's staff are owners, managers or attendants.")
    async with desk.database.transaction() as conn:
        now_so = await _locked(conn, vendor_id, person_id)
        if now_so is not role:
            await _keep_one(conn, vendor_id, person_id, now_so)
            await _SET_ROLE.execute(conn, id=person_id, role=role.value)


async def remove_person(desk: Desk, vendor_id: int | None, person_id: int) -> None:
    """They are signed out everywhere at once. Raises NotFound, or Conflict for the last owner or operator."""
    async with desk.database.transaction() as conn:
        role = await _locked(conn, vendor_id, person_id)
        await _keep_one(conn, vendor_id, person_id, role)
        await _REMOVE.execute(conn, id=person_id, now=await desk.clock.now(conn))
        await end_sessions_of_staff(conn, person_id)


async def _locked(conn: Connection, vendor_id: int | None, person_id: int) -> StaffRole:
    rows = await _LOCK.fetch(conn, vendor_id=vendor_id)
    role = next((row["role"] for row in rows if row["id"] == person_id), None)
    if role is None:
        raise NotFound
    return StaffRole(role)


async def _keep_one(conn: Connection, vendor_id: int | None, person_id: int, role: StaffRole) -> None:
    """An owner, or operator, must be left, or nobody could let anybody in."""
    if role not in (StaffRole.OWNER, StaffRole.OPERATOR):
        return
    others = await _LOCK.fetch(conn, vendor_id=vendor_id)
    if not any(row["role"] == role and row["id"] != person_id for row in others):
        raise Conflict(f"This is the last {role}. Make somebody else {role} first.")
