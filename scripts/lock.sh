#!/bin/sh
# Resolves the ranges of pyproject.toml anew. Only the export is committed: uv.lock holds download addresses, it does not.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/uv lock "$@"
.venv/bin/uv export --quiet --no-emit-project -o requirements.lock
if grep -n '://' requirements.lock; then
    echo "lock: requirements.lock holds an address; it must hold names, versions and hashes only" >&2
    exit 1
fi
