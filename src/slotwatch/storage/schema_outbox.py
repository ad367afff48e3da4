"""The tables of what people are told, as declared; part of `schema.py`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from slotwatch.domain.notices import Channel, DeliveryState
from slotwatch.storage.schema_base import at_column, id_column, metadata, one_of

__all__ = ["attempt", "delivery", "notice", "receipt"]

notice = Table(
    "notice",
    metadata,
    id_column(),
    Column("booking_id", BigInteger),  # null: about no booking, such as a sign-in code; then it names its recipient
    Column("kind", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("epoch", SmallInteger, nullable=False),
    at_column("valid_until"),
    at_column("created_at"),
    Column("recipient", JSONB),  # domain/notices.py: Recipient
    Column("facts", JSONB),
    UniqueConstraint("booking_id", "kind", "occasion", "epoch"),
    CheckConstraint("(booking_id IS NULL) = (recipient IS NOT NULL)", name="about"),
)
Index("notice_own_idx", notice.c.kind, notice.c.occasion, unique=True, postgresql_where=text("booking_id IS NULL"))
Index("notice_own_valid_idx", notice.c.valid_until, postgresql_where=text("booking_id IS NULL"))

delivery = Table(
    "delivery",
    metadata,
    Column("notice_id", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    at_column("next_attempt_at"),
    Column("lease", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("faults", SmallInteger, nullable=False, server_default="0"),
    Column("provider", Text),
    Column("provider_message_id", Text),
    Column("error", Text),
    at_column("sent_at", nullable=True),
    # The slot that it is about; a trigger looks it up for a row that leaves pending without. 0: the house's own.
    Column("vendor_id", BigInteger, nullable=False, server_default="0"),
    Column("station_id", BigInteger),
    at_column("slot_starts_at", nullable=True),
    Column("handed_over", Integer),  # the lease under which a provider was given it, until the answer is on record
    Column("kept_back", Text),  # domain/notices.py: KeptBack; of suppressed ones
    PrimaryKeyConstraint("notice_id", "channel"),
    one_of("channel", Channel),
    one_of("state", DeliveryState),
)
Index(
    "delivery_claim_idx",
    delivery.c.channel,
    delivery.c.urgency,
    delivery.c.vendor_id,
    delivery.c.next_attempt_at,
    postgresql_where=text("state = 'pending'"),
)
Index(
    "delivery_slot_idx",
    delivery.c.vendor_id,
    delivery.c.channel,
    delivery.c.state,
    delivery.c.slot_starts_at,
    delivery.c.station_id,
    postgresql_where=text("state <> 'pending'"),
)
Index("delivery_dead_idx", delivery.c.notice_id, postgresql_where=text("state IN ('unknown', 'failed', 'set_aside')"))

# What the local inbox took is never reported on.
Index(
    "delivery_message_idx",
    delivery.c.provider,
    delivery.c.provider_message_id,
    postgresql_where=text("provider_message_id IS NOT NULL AND provider <> 'inbox'"),
)

receipt = Table(
    "receipt",
    metadata,
    Column("provider", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("message_id", Text),
    Column("notice_id", BigInteger),  # whose delivery it is; unmatched: what the provider gave back of its key
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("suppress", Boolean, nullable=False),
    Column("address", Text),
    Column("matched", Boolean, nullable=False),
    at_column("at"),
    at_column("happened_at", nullable=True),  # the provider's own time: a claim
    Column("heard", Boolean, nullable=False, server_default="false"),  # a key was pressed during the call
    PrimaryKeyConstraint("provider", "event_id"),
    CheckConstraint("status IN ('sent', 'delivered', 'failed', 'stop', 'start')", name="status"),
)
Index("receipt_waiting_idx", receipt.c.at, postgresql_where=text("NOT matched"))
Index("receipt_wish_idx", receipt.c.channel, receipt.c.address, postgresql_where=text("suppress OR status = 'start'"))
Index("receipt_notice_idx", receipt.c.notice_id, postgresql_where=text("notice_id IS NOT NULL"))
Index("receipt_at_idx", receipt.c.at, postgresql_using="brin")

suppression = Table(
    "suppression",
    metadata,
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),  # e-mail in lower case
    Column("reason", Text, nullable=False),
    at_column("at"),
    PrimaryKeyConstraint("channel", "address"),
)
Index("suppression_newest_idx", suppression.c.at, suppression.c.channel, suppression.c.address)

# Deliveries that ended without a try, for metrics; kept for a day.
unsent = Table(
    "unsent",
    metadata,
    Column("notice_id", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    at_column("at"),
    CheckConstraint("state IN ('missed', 'suppressed')", name="state"),
)
Index("unsent_at_idx", unsent.c.at, postgresql_using="brin")

attempt = Table(
    "attempt",
    metadata,
    Column("notice_id", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("lease", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_message_id", Text),
    Column("error", Text),
    at_column("at"),
    PrimaryKeyConstraint("notice_id", "channel", "lease"),
)
Index("attempt_at_idx", attempt.c.at, postgresql_using="brin")

Table(
    "inbox_message",
    metadata,
    id_column(),
    Column("key", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("subject", Text),
    Column("text", Text, nullable=False),
    Column("html", Text),
    at_column("at"),
)

# How many paid messages, or mails about bookings, an address got on one day (UTC); kept for two days.
Table(
    "recipient_day",
    metadata,
    Column("address", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("messages", Integer, nullable=False),
    PrimaryKeyConstraint("address", "day"),
)

# What a vendor's messages cost on one day (UTC), in minor units of the house's currency.
Table(
    "spend",
    metadata,
    Column("vendor_id", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("channel", Text, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("vendor_id", "day", "channel"),
)
