"""People beyond drivers: staff, sessions, codes, alerts; notices that are about no booking; push and webhook."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
