# `make run` and `make test` set up what they need on a fresh machine: Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
# Node comes with Python's packages.
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
BIOME := $(WITH_NODE) tests/node/node_modules/.bin/biome
STATIC := --config-path=tests/node/biome-rules.jsonc wavespeed/studio tests/node/edit.mjs
QUIET := --quiet --disable-pip-version-check

run: .venv/run
	$(BIN)/python app.py

# Without a browser or an nginx, what needs one is skipped and says so; under CI that is a failure.
test: .venv/test
	$(BIOME) ci --error-on-warnings $(STATIC)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	-@$(BIN)/python -m tests.support.chromium
	$(BIN)/pytest -n 4 --dist worksteal -m "not slow and not browser"
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and browser" tests/page

test-slow: .venv/slow
	-@$(BIN)/python -m tests.support.chromium
	-@$(BIN)/python -m tests.support.nginx
	$(BIN)/pytest -n 2 --dist worksteal -m "slow and not browser"
	$(BIN)/pytest -n 2 --dist worksteal -m "slow and browser"

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIOME) check --write $(STATIC)

screenshots: .venv/test
	$(BIN)/python -m tests.support.chromium
	$(BIN)/python -m tests.screenshots

bench: .venv/test
	$(BIN)/python -m tests.support.chromium
	$(BIN)/python -m tests.support.nginx
	$(BIN)/python -m tests.benchmarks $(PARTS)

.venv/run: requirements.txt
	@echo "Installing what runs the page into .venv (requirements.txt)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install $(QUIET) -r requirements.txt
	@touch $@

.venv/test: .venv/run requirements-dev.txt requirements-mcp.txt tests/node/package-lock.json
	@echo "Installing what tests it into .venv (requirements-dev.txt)"
	@$(BIN)/python -m pip install $(QUIET) -r requirements-dev.txt
	@echo "Installing what formats and lints the scripts, and Gradio's client for Node, into tests/node"
	@$(WITH_NODE) npm ci --silent --no-audit --no-fund --prefix tests/node
	@touch $@

# The maker's SDK is imported as `wavespeed` too, so it lives in a folder of its own.
.venv/slow: .venv/test tests/sdk-requirements.txt
	@echo "Installing the maker's SDK into .venv/sdk (tests/sdk-requirements.txt)"
	@$(BIN)/python -m pip install $(QUIET) --upgrade --target .venv/sdk -r tests/sdk-requirements.txt
	@touch $@

.PHONY: run test test-slow format screenshots bench
