#!/bin/sh
# Runs every benchmark once, on its own embedded database, and prints one JSON object a line.
set -eu
cd "$(dirname "$0")/.."
slotwatch=.venv/bin/slotwatch
"$slotwatch" bench boundary --bookings 50000 --workers 1 --json
"$slotwatch" bench boundary --bookings 50000 --workers 2 --json
"$slotwatch" bench check-in --connections 32 --json
"$slotwatch" bench lateness --rate 2 --seconds 20 --json
"$slotwatch" bench outbox --json
"$slotwatch" bench notices --json
"$slotwatch" bench memory --json
"$slotwatch" bench dashboard --json
"$slotwatch" bench live --json
