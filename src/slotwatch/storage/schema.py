"""The tables as declared: Alembic compares a migrated database with this page.

No foreign key leads from the hot tables (transition, notice, delivery, attempt) to their booking: bookings are never
deleted and the rows are written by the statement that locks the booking; the keys would cost 40 % of a boundary
(docs/decisions/0008). The audit checks what they would have checked.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint

from slotwatch.domain.lifecycle import FINAL_STATES, LIVE_STATES, State, Step
from slotwatch.domain.money import Account, Entry, PaymentStatus
from slotwatch.storage import schema_live as _live  # noqa: F401  # its table belongs to the metadata
from slotwatch.storage import schema_outbox as _outbox  # noqa: F401
from slotwatch.storage import schema_people as _people  # noqa: F401
from slotwatch.storage.schema_base import at_column, id_column, metadata, one_of

__all__ = ["metadata"]


def _listed(states: tuple[State, ...]) -> str:
    return ", ".join(f"'{state}'" for state in states)


Table(
    "station",
    metadata,
    id_column(),
    Column("vendor_id", BigInteger, ForeignKey("vendor.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("zone", Text, nullable=False),
    Column("opening_hours", JSONB, nullable=False, server_default="[]"),
    at_column("created_at"),
    Column("rotating_code", Boolean, nullable=False, server_default="false"),  # its screen shows a code that changes
    Column("check_in_radius_m", Integer),  # how near one must be to check in by code; null: anywhere
    at_column("removed_at", nullable=True),  # bookings keep their station; nobody books it any more
    CheckConstraint("check_in_radius_m BETWEEN 20 AND 10000", name="radius"),
)

connector = Table(
    "connector",
    metadata,
    id_column(),
    Column("station_id", BigInteger, ForeignKey("station.id"), nullable=False),
    Column("label", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("power_kw", Float, nullable=False),
    Column("price_per_hour", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    at_column("created_at"),
    at_column("removed_at", nullable=True),
    Column("screen_number", Integer, nullable=False, server_default="0"),  # rises when its screen's link is taken back
    CheckConstraint("price_per_hour >= 0", name="price"),
)
Index(
    "connector_label_idx",
    connector.c.station_id,
    connector.c.label,
    unique=True,
    postgresql_where=text("removed_at IS NULL"),
)

Table(
    "allowed_transition",
    metadata,
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    PrimaryKeyConstraint("from_state", "to_state"),
)

booking = Table(
    "booking",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("vendor_id", BigInteger, ForeignKey("vendor.id"), nullable=False),
    Column("station_id", BigInteger, ForeignKey("station.id"), nullable=False),
    Column("connector_id", BigInteger, ForeignKey("connector.id"), nullable=False),
    Column("driver_id", BigInteger, ForeignKey("driver.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Text),
    at_column("due_at", nullable=True),
    at_column("hold_ends_at", nullable=True),
    at_column("check_in_opens_at"),
    at_column("remind_at", nullable=True),
    at_column("starts_at"),
    at_column("grace_half_at"),
    at_column("grace_last_at", nullable=True),
    at_column("grace_ends_at"),
    at_column("expires_at"),
    at_column("ends_at"),
    Column("terms", JSONB, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("payment_status", Text, nullable=False),
    at_column("started_at", nullable=True),
    at_column("checked_in_at", nullable=True),
    Column("check_in_method", Text),
    at_column("expired_at", nullable=True),
    at_column("ended_at", nullable=True),
    Column("end_reason", Text),
    Column("vehicle", Text),
    Column("version", Integer, nullable=False),
    Column("epoch", SmallInteger, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("set_aside", Boolean, nullable=False, server_default="false"),
    at_column("created_at"),
    at_column("updated_at"),
    one_of("state", State),
    one_of("step", Step),
    one_of("payment_status", PaymentStatus),
    CheckConstraint(f"(due_at IS NULL) = (state IN ({_listed(FINAL_STATES)}))", name="final_has_no_due"),
    CheckConstraint("(due_at IS NULL) = (step IS NULL)", name="due_has_step"),
    CheckConstraint("starts_at < grace_ends_at AND grace_ends_at <= ends_at", name="instants"),
    CheckConstraint("ends_at - starts_at BETWEEN '15 minutes' AND '8 hours'", name="length"),
    CheckConstraint("amount >= 0", name="amount"),
    ExcludeConstraint(
        (text("int8range(connector_id, connector_id, '[]')"), "&&"),
        (text("tstzrange(starts_at, ends_at)"), "&&"),
        where=text(f"state IN ({_listed(LIVE_STATES)})"),
        using="gist",
        name="booking_slot_excl",
    ),
)
Index("booking_due_idx", booking.c.due_at, booking.c.id, postgresql_where=text("due_at IS NOT NULL AND NOT set_aside"))
Index("booking_driver_idx", booking.c.driver_id, booking.c.starts_at)
Index("booking_station_idx", booking.c.station_id, booking.c.starts_at)
Index("booking_forfeit_idx", booking.c.expired_at, postgresql_where=text("payment_status = 'forfeit_held'"))
Index("booking_set_aside_idx", booking.c.id, postgresql_where=text("set_aside"))
# A vendor's numbers (docs/decisions/0011). Two, so that an ended booking is indexed once and a live one narrowly.
Index(
    "booking_live_idx",
    booking.c.vendor_id,
    booking.c.starts_at,
    booking.c.id,
    postgresql_include=["station_id", "state"],
    postgresql_where=text("due_at IS NOT NULL"),
)
Index(
    "booking_ended_idx",
    booking.c.vendor_id,
    booking.c.starts_at,
    booking.c.id,
    postgresql_include=[
        *("station_id", "connector_id", "state", "ends_at", "checked_in_at", "expired_at", "ended_at"),
        *("amount", "currency", "payment_status"),
    ],
    postgresql_where=text("due_at IS NULL"),
)

transition = Table(
    "transition",
    metadata,
    Column("booking_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    at_column("due_at", nullable=True),
    at_column("at"),
    PrimaryKeyConstraint("booking_id", "version"),
    ForeignKeyConstraint(["from_state", "to_state"], ["allowed_transition.from_state", "allowed_transition.to_state"]),
    CheckConstraint("from_state IS NOT NULL OR to_state IN ('pending', 'confirmed')", name="first"),
)

Index("transition_at_idx", transition.c.at, postgresql_using="brin")

Table(
    "evidence",
    metadata,
    id_column(),
    Column("booking_id", BigInteger, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("method", Text),
    Column("actor", Text, nullable=False),
    Column("valid", Boolean, nullable=False),
    Column("detail", JSONB, nullable=False),
    at_column("received_at"),
)

outage = Table(
    "outage",
    metadata,
    id_column(),
    Column("component", Text, nullable=False),
    at_column("began_at"),
    at_column("ended_at"),
    Column("detail", Text, nullable=False),
    CheckConstraint("began_at < ended_at", name="order"),
)
Index("outage_ended_idx", outage.c.ended_at)

Table(
    "pulse",
    metadata,
    Column("component", Text, primary_key=True),
    at_column("beat_at"),
)

Table(
    "heartbeat",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("component", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    at_column("started_at"),
    at_column("beat_at"),
)

Table(
    "ledger",
    metadata,
    id_column(),
    Column("booking_id", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    at_column("at"),
    UniqueConstraint("booking_id", "entry"),
    one_of("entry", Entry),
    one_of("debit", Account),
    one_of("credit", Account),
    CheckConstraint("amount > 0 AND debit <> credit", name="amount"),
)

dispute = Table(
    "dispute",
    metadata,
    Column("booking_id", BigInteger, ForeignKey("booking.id"), primary_key=True, autoincrement=False),
    Column("statement", Text, nullable=False),
    Column("decision", Text),
    at_column("opened_at"),
    at_column("decided_at", nullable=True),
    Column("note", Text),  # the vendor's words on the decision
    Column("decided_by", Text),
    Column("vendor_id", BigInteger, ForeignKey("vendor.id"), nullable=False),  # the booking's, which never changes
    CheckConstraint("(decision IS NULL) = (decided_at IS NULL) AND decision IN ('uphold', 'refund')", name="decision"),
)
Index("dispute_vendor_idx", dispute.c.vendor_id, dispute.c.opened_at, dispute.c.booking_id)

idempotency = Table(
    "idempotency",
    metadata,
    Column("caller", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("status", SmallInteger),
    Column("body", Text),
    at_column("created_at"),
    PrimaryKeyConstraint("caller", "key"),
)
Index("idempotency_created_idx", idempotency.c.created_at)

Table(
    "audit_run",
    metadata,
    id_column(),
    at_column("at"),
    Column("findings", JSONB, nullable=False),
)

# When the watch looked last, so that one process of all does it at a time.
Table(
    "watch_run",
    metadata,
    Column("what", Text, primary_key=True),
    at_column("at"),
    Column("slice", Integer, nullable=False, server_default="0"),
)
