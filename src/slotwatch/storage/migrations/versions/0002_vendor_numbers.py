"""What a vendor's numbers are read from: covering indexes, deliveries that name their slot; and how disputes ended."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
