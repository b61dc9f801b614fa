# `make run` shows it, `make test` proves it; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
HOME_DIR := .run/home
RECONCILER := $(BIN)/reconciler --home $(HOME_DIR)
RIG := $(BIN)/python -m tests.rig run --
PODMAN := $(BIN)/python -m tests.rig run --engine podman --
PYTEST := $(BIN)/pytest
COMPARED := $(PYTEST) -p tests.podman_comparison
# Many tests wait more than they compute, so there are three workers to a core; ports are shared out for sixteen.
WORKERS := $(shell cores=$$(nproc); echo $$((cores > 5 ? 16 : 3 * cores)))
SPREAD := -n $(WORKERS) --dist worksteal
# Podman has one lock for much of what it does: asked by more at once, it keeps some of them waiting for longer than we do.
FEWER := -n $(shell cores=$$(nproc); echo $$((cores > 8 ? 8 : cores))) --dist worksteal
# Looks over all tests once, beside the linters: else each worker compiles all of them for itself, at the same time.
COMPILED := $(PYTEST) --collect-only -qq >/dev/null 2>&1
# How each test ended on Podman, for the run on Docker to be compared with.
OUTCOMES := .pytest_cache/podman.json
ENGINE_ANSWERS = $(BIN)/python -c 'import sys; from tests.engine_api import Engine; sys.exit(Engine.reachable() is None)'
# What needs no engine and takes seconds.
FAST := $(wildcard tests/model tests/kinds tests/core tests/golden tests/convergence)

# Tests start hundreds of interpreters: what is compiled once is kept, though the surroundings may ask for the contrary.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

.PHONY: setup
setup: .venv/ready ## make .venv with everything that development needs

# uv where it is found, and never an interpreter from the net; else what Python brings along.
.venv/ready: pyproject.toml
	@if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then \
	  test -x $(BIN)/python || UV_PYTHON_DOWNLOADS=never uv venv --quiet --python '>=3.11' .venv; \
	  UV_PYTHON_DOWNLOADS=never uv pip install --quiet --python $(BIN)/python -e '.[dev]'; \
	else \
	  test -x $(BIN)/python || python3 -m venv .venv; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'; \
	fi
	@touch $@

.PHONY: run
run: setup ## start the quickstart, show it, and say what next
	@mkdir -p -m 0700 .run
	$(RECONCILER) apply -f specs/quickstart.yaml
	@if $(ENGINE_ANSWERS); then \
	  echo "$(RECONCILER) apply -f specs/quickstart-container.yaml"; \
	  $(RECONCILER) apply -f specs/quickstart-container.yaml --timeout 120 \
	    || echo "The container part did not come up (see above); the native part runs."; \
	else echo "No container engine answers: the container part of the quickstart is left out."; fi
	@echo; $(RECONCILER) status -n quickstart
	@printf '%s\n' "" \
	  "It runs detached, and outlives this terminal." \
	  "  look     $(RECONCILER) status -n quickstart" \
	  "           $(RECONCILER) logs -n quickstart visitor" \
	  "  change   edit specs/quickstart.yaml, then" \
	  "           $(RECONCILER) diff -f specs/quickstart.yaml" \
	  "           $(RECONCILER) apply -f specs/quickstart.yaml" \
	  "  stop     make stop"

.PHONY: stop
stop: setup ## undo `make run`
	@if [ -d $(HOME_DIR) ]; then $(RECONCILER) delete all --all -n quickstart && rm -rf .run; \
	else echo "Nothing runs here."; fi

.PHONY: test
test: setup ## all tests, with container engines of their own; what concerns containers on Docker and on Podman
	@$(COMPILED) & status=0; $(MAKE) --no-print-directory lint || status=$$?; wait; exit $$status
ifdef TESTS
	$(RIG) $(PYTEST) $(SPREAD) $(TESTS)
else
	@status=0; $(MAKE) --no-print-directory podman || status=$$?; \
	$(RIG) $(COMPARED) $(SPREAD) --same-as $(OUTCOMES) || status=$$?; exit $$status
endif

.PHONY: podman
podman: setup ## the contract and the container runtime, or TESTS=..., on a Podman of its own
	@rm -f $(OUTCOMES)
	$(PODMAN) $(COMPARED) $(FEWER) --outcomes $(OUTCOMES) $(or $(TESTS),tests/contract/test_runtime.py tests/docker)

.PHONY: check
check: setup ## what takes seconds: lint, types, layers, values, goldens, properties
	$(MAKE) --no-print-directory lint
	$(PYTEST) -q -n auto --dist worksteal $(FAST)

.PHONY: lint
lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: contract
contract: setup ## one suite over all runtimes
	$(RIG) $(PYTEST) $(SPREAD) tests/contract

.PHONY: scenarios
scenarios: setup ## whole stories on a real engine
	$(RIG) $(PYTEST) $(SPREAD) tests/scenarios

.PHONY: mutants
mutants: setup ## put known bugs into the code, and see that the tests find each of them
	$(RIG) $(BIN)/python -m tests.mutants

.PHONY: golden
golden: setup ## write the golden files anew; read the diff before you commit it
	GOLDEN=write $(PYTEST) tests/golden -q

.PHONY: schemas
schemas: setup ## write the JSON Schemas anew, and what validation makes of the spec classes
	$(BIN)/python -m tests.prepare
	$(BIN)/python -m reconciler schema --all schemas

.PHONY: bench
bench: setup ## measure, beside the engine's own limit
	$(RIG) $(BIN)/python -m tests.bench

.PHONY: fmt
fmt: setup ## format, and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
