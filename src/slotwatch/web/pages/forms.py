"""Forms of the pages: what was typed, and forms read by their declared shapes."""

from typing import TypeVar

import msgspec

from slotwatch.domain.errors import InvalidInput
from slotwatch.web.visitors import PageRequest

__all__ = ["Position", "read_form", "typed_fields"]

_Form = TypeVar("_Form")


class Position(msgspec.Struct):
    """Where the browser says that it is, when its owner allowed that; empty otherwise."""

    latitude: str = ""
    longitude: str = ""
    accuracy: str = ""

    @property
    def point(self) -> tuple[float, float] | None:
        """In degrees; None where nothing sensible was sent."""
        found = _number(self.latitude, 90), _number(self.longitude, 180)
        return None if found[0] is None or found[1] is None else (found[0], found[1])

    @property
    def metres(self) -> float | None:
        """The browser's own doubt."""
        return _number(self.accuracy, 1e7)


async def typed_fields(request: PageRequest) -> dict[str, str]:
    """The text of each field, without blanks around it; of a field that comes several times the last one counts.

    A line break is one letter, as `maxlength` counts it: browsers send it as two. Raises InvalidInput for what no
    browser lets anybody type.
    """
    form = await request.form()
    given = {name: value.replace("\r\n", "\n").strip() for name, value in form.multi_items() if isinstance(value, str)}
    if any("\x00" in value for value in given.values()):
        raise InvalidInput
    return given


async def read_form(request: PageRequest, shape: type[_Form]) -> _Form:
    """The fields of a form as that shape, without spaces around; what is empty counts as not given.

    Raises InvalidInput: only a form that we did not make can be wrong in its shape.
    """
    given = {name: value for name, value in (await typed_fields(request)).items() if value}
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"This form cannot be read: {error}.") from error


def _number(text: str, most: float) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if -most <= number <= most else None
