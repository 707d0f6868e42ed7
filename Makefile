# `make demo` and `make test` do all of their set-up themselves: Python >= 3.11 is all they need.
# Set-up happens once; it is repeated when pyproject.toml or the lock file changes.

VENV ?= .venv
BIN := $(VENV)/bin
LOCK := requirements-dev.lock
DEMO := .demo
PORT ?= 2024
TESTS ?= tests
# Parallel test processes; `make test JOBS=0` runs them one after another in this one.
JOBS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo demo-terminal test lint types format bench soak clean lock

help:
	@echo "make demo     serve the examples: start, pause and answer in the browser or by cURL"
	@echo "make demo-terminal  approve payments at this terminal (kill it and run it again)"
	@echo "make test     formatter, linter, types, rooms, and all tests"
	@echo "make lint     ruff, the rooms' import contract, the purity of the core"
	@echo "make types    mypy --strict on src"
	@echo "make format   ruff format and safe fixes"
	@echo "make bench    the benchmarks          make soak   the long fault tests"
	@echo "make lock     resolve the versions of $(LOCK) anew"
	@echo "make clean    remove everything made by the above"

# --- set-up ----------------------------------------------------------------------------------

$(BIN)/python:
	@tools/make_venv $(VENV) $(PYTHON)

$(VENV)/.installed: pyproject.toml $(LOCK) | $(BIN)/python
	@tools/install $(VENV) $(LOCK)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@tools/install $(VENV) $(LOCK) dev
	@touch $@

# --- what people run -------------------------------------------------------------------------

demo: $(VENV)/.installed
	@mkdir -p $(DEMO)
	@cd $(DEMO) && $(abspath $(BIN))/caesura dev --config ../examples/caesura.json \
		--database server.sqlite --port $(PORT)

# Exit code 3 says that the program waits for a person: no failure.
demo-terminal: $(VENV)/.installed
	@mkdir -p $(DEMO)
	@[ -e $(DEMO)/payments.sqlite ] || rm -f $(DEMO)/audit.csv
	@code=0; $(BIN)/caesura run examples/payments.py --db $(DEMO)/payments.sqlite \
		--input '{"audit": "$(DEMO)/audit.csv"}' || code=$$?; \
	case $$code in \
	0) mv $(DEMO)/payments.sqlite $(DEMO)/finished.sqlite; \
	   echo "What was paid: $(DEMO)/audit.csv. What happened:"; \
	   $(BIN)/caesura history payments --db $(DEMO)/finished.sqlite;; \
	3) ;; \
	*) exit $$code;; \
	esac

PYTEST := $(BIN)/python -m pytest $(if $(filter-out 0,$(JOBS)),-n $(JOBS) --dist loadfile)
# What a server is asked in the tests below it is asked once more with its data in PostgreSQL.
ON_POSTGRES := $(addprefix tests/acceptance/test_,recordings.py sdk_python.py sdk_python_runs.py \
	server_rights.py) $(addprefix tests/faults/test_server_,recovery.py races.py \
	chaos.py::test_a_server_killed_again_and_again_loses_nothing_it_acknowledged \
	streams.py::test_a_reader_that_stops_holds_nobody_up_and_then_gets_everything_in_order)

test: lint types
	@$(PYTEST) $(TESTS)
	@if [ "$(TESTS)" = tests ]; then \
	CAESURA_TEST_SERVER_DATABASE=postgres $(PYTEST) $(ON_POSTGRES); fi

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check src tests examples tools benchmarks
	$(BIN)/ruff format --check src tests examples tools benchmarks
	$(BIN)/lint-imports
	$(BIN)/python tools/check_purity.py

types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/programs.py benchmarks

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix src tests examples tools benchmarks
	$(BIN)/ruff format src tests examples tools benchmarks

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.server

soak: $(VENV)/.installed-dev
	CAESURA_SOAK=1 $(BIN)/python -m pytest tests/faults tests/property tests/acceptance/test_server_openapi.py

lock: | $(BIN)/python
	@tools/lock $(BIN)/python $(LOCK)

clean:
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
