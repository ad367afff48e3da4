"""Alembic's entry: it works on the connection that `storage/migrate.py` hands over."""

from alembic import context

from slotwatch.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_server_default=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
