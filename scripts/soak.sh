#!/bin/sh
# A month in a big town on the movable clock, ending with the invariants; exit status 1 if a row breaks one.
set -eu
cd "$(dirname "$0")/.."
exec .venv/bin/slotwatch simulate town --bookings 500000 --days 30 --no-show-rate 0.15 --workers 2 --seed 7 "$@"
