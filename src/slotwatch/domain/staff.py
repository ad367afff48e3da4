"""Who works for a vendor or for the operator, and what each may do on the pages."""

from enum import StrEnum

__all__ = ["StaffRole"]


class StaffRole(StrEnum):
    """What somebody of the staff is trusted with."""

    OWNER = "owner"  # everything of the vendor, staff included
    MANAGER = "manager"  # stations, terms, disputes, alerts, numbers
    ATTENDANT = "attendant"  # the board: look, check in, cancel
    OPERATOR = "operator"  # runs slotwatch itself; belongs to no vendor

    @property
    def may_manage(self) -> bool:
        """Whether stations, terms, disputes and numbers are theirs to see and change."""
        return self in (StaffRole.OWNER, StaffRole.MANAGER)
