"""What providers report of deliveries, in any order, and addresses that must not be used again on a channel."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
