"""What a look at one thing found."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "fail", "ok", "warn"]


class Level(StrEnum):
    """How bad it is: `fail` keeps slotwatch from doing its job, `warn` may."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    check: str
    level: Level
    says: str
    advice: str = ""


def ok(check: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Level.OK, says)


def warn(check: str, says: str, advice: str = "") -> Finding:
    """Somebody should look at it."""
    return Finding(check, Level.WARN, says, advice)


def fail(check: str, says: str, advice: str = "") -> Finding:
    """Somebody must do something."""
    return Finding(check, Level.FAIL, says, advice)
