"""The foundation: people, stations, bookings as their own timers, notices, evidence, outages, ledger."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside: everything."""
    run_sql_beside(__file__)
