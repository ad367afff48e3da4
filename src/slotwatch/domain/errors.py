"""Everything that can go wrong for a reason that a caller can act on: one tree, each with a stable `code`.

The class docstring is the default message. HTTP statuses and exit codes are chosen by tables in `web` and `cli`.

SlotwatchError
+-- NotFound
+-- InvalidInput            -> SlotNotBookable, ContactNeeded
+-- Conflict                -> SlotTaken, TooManyBookings, CheckInTooEarly, GraceOver, NotCheckInable, ...
+-- TooManyCodes
+-- IdempotencyKeyReused
+-- Unavailable
"""

from datetime import datetime

__all__ = [
    "AlreadyDisputed",
    "CheckInTooEarly",
    "Conflict",
    "ContactNeeded",
    "DisputeWindowOver",
    "GraceOver",
    "IdempotencyKeyReused",
    "InvalidInput",
    "NotCancellable",
    "NotCheckInable",
    "NotDisputable",
    "NotFinishable",
    "NotFound",
    "NotPayable",
    "SlotNotBookable",
    "SlotTaken",
    "SlotwatchError",
    "TooManyBookings",
    "TooManyCodes",
    "Unavailable",
    "WrongConnector",
]


class SlotwatchError(Exception):
    """Something went wrong."""

    code = "error"

    def __init__(self, message: str | None = None, /, **details: str | int | datetime | None) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.details = details
        super().__init__(self.message)


class NotFound(SlotwatchError):
    """There is no such thing, or it is not yours."""

    code = "not_found"


class InvalidInput(SlotwatchError):
    """The request does not make sense as it stands."""

    code = "invalid_input"


class SlotNotBookable(InvalidInput):
    """This slot cannot be booked."""

    code = "slot_not_bookable"


class ContactNeeded(InvalidInput):
    """Give an e-mail address or a phone number, so that we can tell you when your slot begins."""

    code = "contact_needed"


class Conflict(SlotwatchError):
    """The booking is no longer in a state that allows this."""

    code = "conflict"


class SlotTaken(Conflict):
    """Another booking holds this connector during that time. Choose another slot."""

    code = "slot_taken"


class TooManyBookings(Conflict):
    """You hold as many bookings as one driver may hold at a time. Use or cancel one first."""

    code = "too_many_bookings"


class CheckInTooEarly(Conflict):
    """Check-in is not open yet."""

    code = "check_in_too_early"


class GraceOver(Conflict):
    """The grace period has run out, so the slot was released. You can dispute this."""

    code = "grace_over"


class NotCheckInable(Conflict):
    """This booking cannot be checked in."""

    code = "not_check_inable"


class WrongConnector(Conflict):
    """The code that was scanned belongs to another connector than the booked one."""

    code = "wrong_connector"


class ProofNeeded(Conflict):
    """This station asks for proof that you are there: the code on the screen of your bay, or your position."""

    code = "proof_needed"


class TooFarAway(Conflict):
    """Your position is too far from the station to check in."""

    code = "too_far_away"


class NotPayable(Conflict):
    """This booking does not await a payment."""

    code = "not_payable"


class NotCancellable(Conflict):
    """This booking can no longer be cancelled."""

    code = "not_cancellable"


class NotFinishable(Conflict):
    """Only a booking that is checked in can be finished."""

    code = "not_finishable"


class NotDisputable(Conflict):
    """Only a booking that expired as a no-show can be disputed."""

    code = "not_disputable"


class AlreadyDisputed(Conflict):
    """This no-show has been disputed already."""

    code = "already_disputed"


class DisputeWindowOver(Conflict):
    """A no-show can be disputed for 14 days, and those are over."""

    code = "dispute_window_over"


class TooManyCodes(SlotwatchError):
    """Too many codes were asked for. Use the newest one, or try again in an hour."""

    code = "too_many_codes"


class IdempotencyKeyReused(SlotwatchError):
    """This Idempotency-Key was used for another request. Use a new key."""

    code = "idempotency_key_reused"


class Unavailable(SlotwatchError):
    """The database cannot be reached at the moment. Nothing was changed; try again shortly."""

    code = "unavailable"
