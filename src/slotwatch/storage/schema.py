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
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, ExcludeConstraint

from slotwatch.domain.lifecycle import FINAL_STATES, LIVE_STATES, State, Step
from slotwatch.domain.money import Account, Entry, PaymentStatus
from slotwatch.domain.notices import Channel, DeliveryState

__all__ = ["metadata"]

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(), primary_key=True)


def _at(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _one_of(column: str, values: object) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)  # type: ignore[attr-defined]  # an enum class is iterable
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _listed(states: tuple[State, ...]) -> str:
    return ", ".join(f"'{state}'" for state in states)


Table(
    "vendor",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("terms", JSONB, nullable=False, server_default="{}"),
    _at("created_at"),
)

Table(
    "driver",
    metadata,
    _id(),
    Column("subject", Text, nullable=False, unique=True),
    Column("name", Text),
    Column("email", Text),
    Column("phone", Text),
    Column("preferences", JSONB, nullable=False, server_default="{}"),
    _at("created_at"),
)

Table(
    "station",
    metadata,
    _id(),
    Column("vendor_id", BigInteger, ForeignKey("vendor.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("zone", Text, nullable=False),
    Column("opening_hours", JSONB, nullable=False, server_default="[]"),
    _at("created_at"),
)

Table(
    "connector",
    metadata,
    _id(),
    Column("station_id", BigInteger, ForeignKey("station.id"), nullable=False),
    Column("label", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("power_kw", Float, nullable=False),
    Column("price_per_hour", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    _at("created_at"),
    UniqueConstraint("station_id", "label"),
    CheckConstraint("price_per_hour >= 0", name="price"),
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
    _at("due_at", nullable=True),
    _at("hold_ends_at", nullable=True),
    _at("check_in_opens_at"),
    _at("remind_at", nullable=True),
    _at("starts_at"),
    _at("grace_half_at"),
    _at("grace_last_at", nullable=True),
    _at("grace_ends_at"),
    _at("expires_at"),
    _at("ends_at"),
    Column("terms", JSONB, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("payment_status", Text, nullable=False),
    _at("started_at", nullable=True),
    _at("checked_in_at", nullable=True),
    Column("check_in_method", Text),
    _at("expired_at", nullable=True),
    _at("ended_at", nullable=True),
    Column("end_reason", Text),
    Column("vehicle", Text),
    Column("version", Integer, nullable=False),
    Column("epoch", SmallInteger, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("set_aside", Boolean, nullable=False, server_default="false"),
    _at("created_at"),
    _at("updated_at"),
    _one_of("state", State),
    _one_of("step", Step),
    _one_of("payment_status", PaymentStatus),
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
    _at("due_at", nullable=True),
    _at("at"),
    PrimaryKeyConstraint("booking_id", "version"),
    ForeignKeyConstraint(["from_state", "to_state"], ["allowed_transition.from_state", "allowed_transition.to_state"]),
    CheckConstraint("from_state IS NOT NULL OR to_state IN ('pending', 'confirmed')", name="first"),
)

Index("transition_at_idx", transition.c.at, postgresql_using="brin")

Table(
    "evidence",
    metadata,
    _id(),
    Column("booking_id", BigInteger, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("method", Text),
    Column("actor", Text, nullable=False),
    Column("valid", Boolean, nullable=False),
    Column("detail", JSONB, nullable=False),
    _at("received_at"),
)

notice = Table(
    "notice",
    metadata,
    _id(),
    Column("booking_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("epoch", SmallInteger, nullable=False),
    _at("valid_until"),
    _at("created_at"),
    UniqueConstraint("booking_id", "kind", "occasion", "epoch"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("notice_id", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    _at("next_attempt_at"),
    Column("lease", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("faults", SmallInteger, nullable=False, server_default="0"),
    Column("provider", Text),
    Column("provider_message_id", Text),
    Column("error", Text),
    _at("sent_at", nullable=True),
    # The slot that it was about; a trigger writes them when the delivery is no longer pending.
    Column("vendor_id", BigInteger),
    Column("station_id", BigInteger),
    _at("slot_starts_at", nullable=True),
    PrimaryKeyConstraint("notice_id", "channel"),
    _one_of("channel", Channel),
    _one_of("state", DeliveryState),
)
Index(
    "delivery_claim_idx",
    delivery.c.channel,
    delivery.c.urgency,
    delivery.c.next_attempt_at,
    postgresql_where=text("state = 'pending'"),
)
Index(
    "delivery_slot_idx",
    delivery.c.vendor_id,
    delivery.c.slot_starts_at,
    postgresql_include=["station_id", "channel", "state"],
    postgresql_where=text("state <> 'pending'"),
)
Index("delivery_dead_idx", delivery.c.notice_id, postgresql_where=text("state IN ('failed', 'set_aside')"))

Table(
    "attempt",
    metadata,
    Column("notice_id", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("lease", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_message_id", Text),
    Column("error", Text),
    _at("at"),
    PrimaryKeyConstraint("notice_id", "channel", "lease"),
)

Table(
    "inbox_message",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("subject", Text),
    Column("text", Text, nullable=False),
    Column("html", Text),
    _at("at"),
)

outage = Table(
    "outage",
    metadata,
    _id(),
    Column("component", Text, nullable=False),
    _at("began_at"),
    _at("ended_at"),
    Column("detail", Text, nullable=False),
    CheckConstraint("began_at < ended_at", name="order"),
)
Index("outage_ended_idx", outage.c.ended_at)

Table(
    "pulse",
    metadata,
    Column("component", Text, primary_key=True),
    _at("beat_at"),
)

Table(
    "heartbeat",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("component", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    _at("started_at"),
    _at("beat_at"),
)

Table(
    "ledger",
    metadata,
    _id(),
    Column("booking_id", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    _at("at"),
    UniqueConstraint("booking_id", "entry"),
    _one_of("entry", Entry),
    _one_of("debit", Account),
    _one_of("credit", Account),
    CheckConstraint("amount > 0 AND debit <> credit", name="amount"),
)

Table(
    "dispute",
    metadata,
    Column("booking_id", BigInteger, ForeignKey("booking.id"), primary_key=True, autoincrement=False),
    Column("statement", Text, nullable=False),
    Column("decision", Text),
    _at("opened_at"),
    _at("decided_at", nullable=True),
    Column("note", Text),  # the vendor's words on the decision
    Column("decided_by", Text),
    CheckConstraint("(decision IS NULL) = (decided_at IS NULL) AND decision IN ('uphold', 'refund')", name="decision"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("caller", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("status", SmallInteger),
    Column("body", Text),
    _at("created_at"),
    PrimaryKeyConstraint("caller", "key"),
)
Index("idempotency_created_idx", idempotency.c.created_at)

Table(
    "audit_run",
    metadata,
    _id(),
    _at("at"),
    Column("findings", JSONB, nullable=False),
)
