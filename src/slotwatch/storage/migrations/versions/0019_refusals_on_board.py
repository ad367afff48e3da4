"""The board is told of check-ins that were refused."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
