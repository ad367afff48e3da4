"""The table that the live board follows, as declared; part of `schema.py`. Triggers write it (docs/decisions/0016)."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table
from sqlalchemy.dialects.postgresql import ARRAY

from slotwatch.storage.schema_base import metadata

__all__ = ["board_change"]

# `xid` is the transaction that wrote the row: what a snapshot did not see yet is what has changed since, whatever order
# transactions commit in. `stale` rows are older than one cleaning, and go with the next.
board_change = Table(
    "board_change",
    metadata,
    Column("xid", BigInteger, nullable=False),
    Column("vendor_id", BigInteger, nullable=False),
    Column("station_id", BigInteger),  # null: something of the vendor as a whole, such as an alert
    Column("booking_ids", ARRAY(BigInteger), nullable=False),  # empty: anything at the station
    Column("stale", Boolean, nullable=False, server_default="false"),
)
Index("board_change_xid_idx", board_change.c.xid)
