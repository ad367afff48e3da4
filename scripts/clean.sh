#!/bin/sh
# Removes what can be made again: environments, caches, built docs. Data of `make run` (.slotwatch) stays.
set -eu
cd "$(dirname "$0")/.."
rm -rf src/slotwatch/web/static/third_party .venv node_modules site dist htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
