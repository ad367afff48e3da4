#!/bin/sh
# The kill -9 tests at full size: 50,000 bookings, 200 kills, database restarts. `make test` runs them small.
set -eu
cd "$(dirname "$0")/.."
SLOTWATCH_CHAOS=full exec .venv/bin/python -m pytest tests -k chaos --timeout=3600 --session-timeout=7200 "$@"
