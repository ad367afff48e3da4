# Everything a person does with this repository, by name. The bodies are in scripts/; CI calls the same targets.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PY := .venv/bin/python
PYTEST := $(PY) -m pytest
# What a whole run may take, in seconds; one test may take what pyproject.toml says.
SUITE_LIMIT ?= 900
# The whole suite runs in so many processes, each with a PostgreSQL of its own; half of its time is waiting. Files go in
# their order, the long stories first.
PROCESSES ?= 2
# Passed on as they are: make run ARGS="--port 9000", make unit ARGS="-k terms".
ARGS ?=

.PHONY: help setup setup-browser run test unit integration acceptance browser check format format-check lint types \
	imports migrations tidy i18n docs docs-serve lock chaos bench paint soak screenshots clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: ## Put everything needed into .venv (under a second when nothing changed)
	@sh scripts/setup.sh

run: setup ## Start the whole system with a living demo town and print its addresses
	@exec .venv/bin/slotwatch up $(ARGS)

test: setup setup-browser ## Run every test, browser tests too (at most 15 minutes)
	@SLOTWATCH_CHROMIUM="$$(sh scripts/find_chromium.sh)" $(PYTEST) -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --session-timeout=$(SUITE_LIMIT) $(ARGS)

unit: setup ## Run the tests that need nothing but Python (seconds)
	@$(PYTEST) tests/unit -n $(PROCESSES) --session-timeout=60 $(ARGS)

integration: setup ## Run the tests against real PostgreSQL, SMTP and SMS servers
	@$(PYTEST) tests/integration --session-timeout=$(SUITE_LIMIT) $(ARGS)

acceptance: setup ## Run the stories: whole bookings, with dates
	@$(PYTEST) tests/acceptance --session-timeout=$(SUITE_LIMIT) $(ARGS)

browser: setup setup-browser ## Run the tests that look at the pages with Chromium
	@SLOTWATCH_CHROMIUM="$$(sh scripts/find_chromium.sh)" $(PYTEST) tests/browser --session-timeout=$(SUITE_LIMIT) $(ARGS)

check: setup format-check lint types imports migrations tidy docs ## Everything but the tests: format, lint, types, imports, migrations, tidy, docs
	@echo "make check: all good"

format: setup ## Rewrite the code in the house format
	@.venv/bin/ruff check --quiet --fix-only --select I .
	@.venv/bin/ruff format .

format-check: setup
	@.venv/bin/ruff format --check .

lint: setup ## Look for mistakes
	@.venv/bin/ruff check .

types: setup ## Check the types
	@.venv/bin/mypy

imports: setup ## Check that imports go down only
	@.venv/bin/lint-imports --no-logo

migrations: setup
	@.venv/bin/slotwatch db check

tidy: setup ## Check the house rules: table = CHECKs = diagram, docs headings, sizes, banned clocks
	@$(PYTEST) tests/tidy --session-timeout=120 $(ARGS)

i18n: setup ## Check that every message is translated (ARGS=update: write new ones into the catalogues)
	@$(PY) scripts/i18n.py $(ARGS)

docs: setup ## Build the documentation into site/
	@sh scripts/docs.sh build

docs-serve: setup ## Show the documentation at http://127.0.0.1:8001 while you write
	@sh scripts/docs.sh serve

lock: setup ## Resolve the dependency ranges anew and write requirements.lock
	@sh scripts/lock.sh $(ARGS)

chaos: setup ## Long: kill workers and the database under 50,000 bookings
	@sh scripts/chaos.sh $(ARGS)

bench: setup ## Long: measure speed, lateness and memory against their limits
	@sh scripts/bench.sh $(ARGS)

paint: setup setup-browser ## Measure how soon a big vendor's board is on the screen, in Chromium
	@SLOTWATCH_CHROMIUM="$$(sh scripts/find_chromium.sh)" $(PY) scripts/paint.py $(ARGS)

soak: setup ## Long: a month in a big town, then the invariants
	@sh scripts/soak.sh $(ARGS)

screenshots: setup setup-browser ## Take the pictures used in README and docs anew
	@SLOTWATCH_CHROMIUM="$$(sh scripts/find_chromium.sh)" $(PY) scripts/screenshots.py $(ARGS)

clean: ## Remove everything that can be made again
	@sh scripts/clean.sh

setup-browser: setup
	@sh scripts/setup_browser.sh
