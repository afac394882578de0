# Everything from a bare clone. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
DATABASE ?= sqlite:///amcash.db
WORKERS ?= 2

.PHONY: help setup run test check torture bench format clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## the environment: afterwards .venv/bin/amcash works

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

run: setup ## a sandbox with the sample programme on port 8080: a till for the browser, and curl lines to paste
	$(BIN)/amcash serve --sandbox --programme sample-programme.toml --database $(DATABASE) --port $(PORT)

# Compiled first: the tests start hundreds of processes, and where the environment says PYTHONDONTWRITEBYTECODE each of
# them would compile what it imports.
test: setup ## the fast suite
	$(BIN)/python -m compileall -q src tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term:skip-covered

# Its lengths, each with a default of its own: SEEDS EXAMPLES KILLS CUTS COMMIT_CUTS DUPLICATES OPERATIONS
LENGTHS := SEED SEEDS EXAMPLES KILLS CUTS COMMIT_CUTS DUPLICATES OPERATIONS
option = $(if $($(1)),--$(shell echo $(1) | tr A-Z_ a-z-) $($(1)))

torture: setup ## the long fault campaigns, their SEED printed; TORTURE=short takes two minutes; KILLS=200 CUTS=5000 ...
	PYTHONPATH=tests $(BIN)/python -m torture campaign $(if $(filter short,$(TORTURE)),--short) $(foreach name,$(LENGTHS),$(call option,$(name)))

ARGS ?=

bench: $(VENV)/.bench-ready ## every speed figure beside what it is compared with; ARGS=--quick, --full ... (needs wrk)
	$(BIN)/python bench/run.py $(ARGS)

$(VENV)/.bench-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	touch $@

check: setup ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## rewrite the files as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and caches; never a ledger
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
