"""The `vendor` and `staff` commands: who owns stations, and who may sign in."""

from dataclasses import dataclass

import msgspec
from rich.console import Console
from rich.table import Table

from slotwatch.domain.errors import InvalidInput, NotFound
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.domain.staff import StaffRole
from slotwatch.processes.at_desk import at_desk
from slotwatch.usecases.desk import Desk
from slotwatch.usecases.staff import NewPerson, Person, add_person, list_everybody, remove_person
from slotwatch.usecases.vendors import add_vendor, list_vendors
from slotwatch.web.contact import checked_email, checked_name

__all__ = ["StaffWish", "run_staff_add", "run_staff_list", "run_staff_remove", "run_vendor_add", "run_vendor_list"]

_out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # names may hold brackets
_MOST = 10_000


@dataclass(frozen=True, kw_only=True)
class StaffWish:
    """Whom to let in; `vendor` as in VN-1, None for an operator."""

    vendor: str | None
    role: str
    name: str
    email: str
    language: str


def run_vendor_add(*, name: str, language: str, email: str | None) -> None:
    """Print the new vendor's id. Raises SlotwatchError."""
    checked, address = _checked(name, email)
    number = at_desk(lambda desk: add_vendor(desk, name=checked, language=language, email=address))
    print(ref("VN", number))  # noqa: T201


def run_vendor_list(*, json: bool) -> None:
    """Print every vendor. Raises SlotwatchError."""
    found = at_desk(lambda desk: list_vendors(desk, limit=_MOST))
    if json:
        print(msgspec.json.encode([{**vars(one), "id": ref("VN", one.id)} for one in found]).decode())  # noqa: T201
        return
    table = Table("id", "name", "language", "stations", "staff", title=f"Vendors: {len(found)}")
    for one in found:
        table.add_row(ref("VN", one.id), one.name, one.language, str(one.stations), str(one.staff))
    _out.print(table if found else "No vendor yet. Add one: slotwatch vendor add --name …")


def run_staff_add(wish: StaffWish) -> None:
    """Let somebody in and say how they sign in. Raises SlotwatchError."""
    name, email = _checked(wish.name, wish.email)
    assert email is not None
    vendor_id = None if wish.vendor is None else parse_ref("VN", wish.vendor)
    new = NewPerson(vendor_id=vendor_id, role=StaffRole(wish.role), name=name, email=email, language=wish.language)
    at_desk(lambda desk: add_person(desk, new))
    _out.print(f"{name} may sign in with {email}: the page /sign-in sends a code there.")


def run_staff_list(*, json: bool) -> None:
    """Print everybody who may sign in as staff. Raises SlotwatchError."""
    found = at_desk(list_everybody)
    if json:
        print(msgspec.json.encode([_plain(one) for one in found]).decode())  # noqa: T201
        return
    table = Table("e-mail", "name", "role", "vendor", title=f"Staff: {len(found)}")
    for one in found:
        table.add_row(one.email, one.name, one.role, _vendor(one) or "")
    _out.print(table if found else "Nobody yet. Add the first: slotwatch staff add --role operator …")


def run_staff_remove(email: str) -> None:
    """Sign somebody out everywhere, for good. Raises SlotwatchError."""

    async def work(desk: Desk) -> Person:
        found = [one for one in await list_everybody(desk) if one.email.lower() == email.strip().lower()]
        if not found:
            raise NotFound(f"Nobody of the staff signs in with {email}.")
        await remove_person(desk, found[0].vendor_id, found[0].id)
        return found[0]

    gone = at_desk(work)
    _out.print(f"{gone.name} is signed out everywhere and cannot sign in any more.")


def _checked(name: str, email: str | None) -> tuple[str, str | None]:
    try:
        return checked_name(name), None if email is None else checked_email(email)
    except ValueError as error:
        raise InvalidInput(f"{str(error).rstrip('.')}.") from error


def _vendor(person: Person) -> str | None:
    return None if person.vendor_id is None else ref("VN", person.vendor_id)


def _plain(person: Person) -> dict[str, object]:
    return {"email": person.email, "name": person.name, "role": person.role.value, "vendor": _vendor(person)}
