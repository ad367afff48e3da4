"""A bay's screen is opened by a link that can be taken back; disputes are found by their vendor."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
