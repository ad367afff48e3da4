#!/bin/sh
# Makes sure that there is a Chromium for the browser tests: installs Debian's as root, otherwise says what to do.
set -eu
cd "$(dirname "$0")/.."
if [ -n "${SLOTWATCH_CHROMIUM:-}" ] && [ ! -x "$SLOTWATCH_CHROMIUM" ]; then
    echo "setup-browser: SLOTWATCH_CHROMIUM names '$SLOTWATCH_CHROMIUM', which is not a program." >&2
    exit 1
fi
if sh scripts/find_chromium.sh >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "setup-browser: installing the Debian package chromium (about a minute)"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y chromium >/dev/null
fi
if sh scripts/find_chromium.sh >/dev/null; then exit 0; fi
cat >&2 <<'MESSAGE'
setup-browser: the browser tests need Chromium or Chrome, and none was found.
    Debian: sudo apt-get install chromium      macOS: brew install --cask chromium
    Another place: make test SLOTWATCH_CHROMIUM=/path/to/chromium
    Everything else runs without it: make unit integration acceptance tidy
MESSAGE
exit 1
