"""WhatsApp and voice as channels of deliveries."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
