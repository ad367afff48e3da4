"""Setting up: when the watch looked last; the label of a connector that was removed can be used again."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
