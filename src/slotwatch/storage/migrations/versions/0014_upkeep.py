"""Old notices and past alerts are found by an index; the watch keeps which vendors it looked at."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
