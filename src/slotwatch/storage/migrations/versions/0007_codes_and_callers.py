"""Who asked for a code, so that one caller cannot ask for too many."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
