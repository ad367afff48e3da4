"""PostgreSQL: tables, guarded writes, reads of single things, migrations."""
