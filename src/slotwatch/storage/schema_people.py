"""The tables of people: vendors, drivers, staff, who is signed in, what staff are alerted to; part of `schema.py`."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, SmallInteger, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from slotwatch.domain.staff import StaffRole
from slotwatch.storage.schema_base import at_column, id_column, metadata, one_of

__all__ = ["driver", "staff"]

Table(
    "vendor",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("terms", JSONB, nullable=False, server_default="{}"),
    at_column("created_at"),
    Column("language", Text, nullable=False, server_default="en"),  # for drivers who chose none
    Column("email", Text),  # for alerts and digests where no staff is known
    Column("spend_cap", BigInteger),  # a day's messages, in minor units; null: the house's cap
    Column("alert_rules", JSONB, nullable=False, server_default="{}"),
    CheckConstraint("spend_cap >= 0", name="spend_cap"),
)

driver = Table(
    "driver",
    metadata,
    id_column(),
    Column("subject", Text, nullable=False, unique=True),
    Column("name", Text),
    Column("email", Text),
    Column("phone", Text),
    Column("preferences", JSONB, nullable=False, server_default="{}"),
    at_column("created_at"),
    at_column("email_verified_at", nullable=True),  # when the driver proved that the address is theirs
    at_column("phone_verified_at", nullable=True),
)
Index("driver_email_idx", func.lower(driver.c.email), postgresql_where=text("email_verified_at IS NOT NULL"))
Index("driver_phone_idx", driver.c.phone, postgresql_where=text("phone_verified_at IS NOT NULL"))

# Who works for a vendor, or for the operator.
staff = Table(
    "staff",
    metadata,
    id_column(),
    Column("vendor_id", BigInteger, ForeignKey("vendor.id")),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("language", Text, nullable=False, server_default="en"),
    at_column("created_at"),
    at_column("removed_at", nullable=True),
    one_of("role", StaffRole),
    CheckConstraint("(vendor_id IS NULL) = (role = 'operator')", name="vendor"),
)
Index("staff_email_idx", func.lower(staff.c.email), unique=True, postgresql_where=text("removed_at IS NULL"))

# Who is signed in to the pages. The cookie's token is kept as its SHA-256 only.
session = Table(
    "session",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("driver_id", BigInteger, ForeignKey("driver.id")),
    Column("staff_id", BigInteger, ForeignKey("staff.id")),
    at_column("created_at"),
    at_column("seen_at"),
    at_column("ends_at"),
    CheckConstraint("(driver_id IS NULL) <> (staff_id IS NULL)", name="person"),
)
Index("session_ends_idx", session.c.ends_at)
Index("session_driver_idx", session.c.driver_id, postgresql_where=text("driver_id IS NOT NULL"))
Index("session_staff_idx", session.c.staff_id, postgresql_where=text("staff_id IS NOT NULL"))

sign_in_code = Table(
    "sign_in_code",
    metadata,
    id_column(),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("code_hash", Text, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    at_column("created_at"),
    at_column("ends_at"),
    at_column("used_at", nullable=True),
    at_column("spent_at", nullable=True),  # when it opened a session
    Column("caller", Text),  # a keyed hash of where the request came from
    CheckConstraint("channel IN ('email', 'sms')", name="channel"),
)
Index("sign_in_code_address_idx", sign_in_code.c.channel, sign_in_code.c.address, sign_in_code.c.created_at)
Index("sign_in_code_ends_idx", sign_in_code.c.ends_at)
Index("sign_in_code_caller_idx", sign_in_code.c.caller, sign_in_code.c.created_at)

# Browsers that a driver wants to be told by; the push service says when one is gone.
push_subscription = Table(
    "push_subscription",
    metadata,
    id_column(),
    Column("driver_id", BigInteger, ForeignKey("driver.id"), nullable=False),
    Column("endpoint", Text, nullable=False, unique=True),
    Column("subscription", JSONB, nullable=False),
    at_column("created_at"),
    at_column("gone_at", nullable=True),
)
Index(
    "push_subscription_live_idx",
    push_subscription.c.driver_id,
    push_subscription.c.id,
    postgresql_where=text("gone_at IS NULL"),
)

# vendor_id null: for operators. `subject` tells two alerts of one kind apart, such as a station's or a channel's.
alert = Table(
    "alert",
    metadata,
    id_column(),
    Column("vendor_id", BigInteger, ForeignKey("vendor.id")),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("station_id", BigInteger, ForeignKey("station.id")),
    Column("detail", JSONB, nullable=False),
    at_column("raised_at"),
    at_column("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text),
    at_column("resolved_at", nullable=True),
)
Index(
    "alert_open_idx",
    func.coalesce(alert.c.vendor_id, text("0")),
    alert.c.kind,
    alert.c.subject,
    unique=True,
    postgresql_where=text("resolved_at IS NULL"),
)
Index(
    "alert_past_idx",
    func.coalesce(alert.c.vendor_id, text("0")),
    alert.c.id,
    postgresql_where=text("resolved_at IS NOT NULL"),
)
Index("alert_vendor_idx", alert.c.vendor_id, alert.c.raised_at)
