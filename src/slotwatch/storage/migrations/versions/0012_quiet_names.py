"""Names of drivers that say nothing of them, and one session for each code."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
