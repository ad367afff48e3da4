"""Schema migrations, forward only; `storage/migrate.py` runs them."""
