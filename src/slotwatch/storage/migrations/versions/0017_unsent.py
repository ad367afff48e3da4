"""What was never sent is counted for metrics; suppressed addresses are listed the newest first."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
