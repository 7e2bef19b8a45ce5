# `make run` and `make test` set up what they need on a fresh machine: Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin

run: .venv/run
	$(BIN)/python app.py

test: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.chromium
	$(BIN)/python -m tests.support.nginx
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not browser"
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and browser"

test-slow: .venv/test
	$(BIN)/python -m tests.support.chromium
	$(BIN)/python -m tests.support.nginx
	$(BIN)/pytest -n 2 --dist worksteal -m "slow and not browser"
	$(BIN)/pytest -n 2 --dist worksteal -m "slow and browser"

screenshots: .venv/test
	$(BIN)/python -m tests.support.chromium
	$(BIN)/python -m tests.screenshots

bench: .venv/test
	$(BIN)/python -m tests.support.chromium
	$(BIN)/python -m tests.benchmarks $(PARTS)

.venv/run: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

# The maker's SDK is imported as `wavespeed` too, so it lives in a folder of its own.
.venv/test: .venv/run requirements-dev.txt requirements-mcp.txt tests/sdk-requirements.txt tests/node/package-lock.json
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target .venv/sdk -r tests/sdk-requirements.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund --prefix tests/node
	touch $@

.PHONY: run test test-slow screenshots bench
