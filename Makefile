# make run    install into .venv (first time only) and show a campaign on real SIP over loopback
# make test   install the tests' needs and the real peers, then run every test
# make help   the rest
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-test peers run test test-rooms test-peers check format soak clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv and install the dialer into it (only when pyproject.toml has changed)
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) found: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"; exit 1; }
	@$(PYTHON) scripts/setup.py

setup-test:
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) found: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"; exit 1; }
	@$(PYTHON) scripts/setup.py test broker postgres sales

peers: ## install the real peers that the tests talk to (Debian packages, as root)
	@$(PYTHON) scripts/peers.py

run: setup ## a campaign on real SIP over loopback with a simulated carrier and agents; ARGS="--agents 12 --seconds 60"
	@$(BIN)/dialer demo $(ARGS)

test: setup-test peers ## every test: most in parallel, then those whose timing counts
	@$(BIN)/python scripts/run_tests.py $(ARGS)

test-rooms: setup-test ## only the tests that need no peer
	@$(BIN)/python -m pytest -n 2 -m "not peer and not soak" $(ARGS)

test-peers: setup-test peers ## only the tests that talk to real peers
	@$(BIN)/python -m pytest -m "peer and not soak" --durations=10 $(ARGS)

check: setup-test ## style, types, import directions
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

soak: setup-test peers ## the long ones: 50 kills at random instants, full benchmarks (many hours)
	@$(BIN)/python -m pytest -m soak --durations=10 $(ARGS)
	@mkdir -p var
	@$(BIN)/python -m benchmarks.pacing --processes 2 --markdown var/pacing.md --plot var/pacing.svg
	@$(BIN)/python -m benchmarks.pacing shocks --agents 20 100
	@$(BIN)/python -m benchmarks.pacing starts
	@$(BIN)/python -m benchmarks.pacing shared
	@$(BIN)/python -m benchmarks.pacing days --processes 2
	@$(BIN)/python -m benchmarks.pacing rolling

clean: ## remove .venv and caches (never var/, where stores live)
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
