#!/bin/sh
# Prints the path of the Chromium (or Chrome) that browser tests drive; exit status 1 when there is none.
set -eu
if [ -n "${SLOTWATCH_CHROMIUM:-}" ]; then
    echo "$SLOTWATCH_CHROMIUM"
    exit 0
fi
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" 2>/dev/null; then exit 0; fi
done
for app in "/Applications/Chromium.app/Contents/MacOS/Chromium" "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    if [ -x "$app" ]; then
        echo "$app"
        exit 0
    fi
done
exit 1
