#!/bin/sh
# Builds (strict: a broken link is an error) or serves the documentation. Usage: docs.sh build|serve
set -eu
cd "$(dirname "$0")/.."
export NO_MKDOCS_2_WARNING=1 # an advertisement, not a fault
case "${1:-build}" in
build) .venv/bin/mkdocs build --strict --quiet ;;
serve) exec .venv/bin/mkdocs serve --strict --dev-addr 127.0.0.1:8001 ;;
*)
    echo "usage: docs.sh build|serve" >&2
    exit 2
    ;;
esac
