# One command for each thing that people do here; `make` alone lists them.

# The first of these that exists; `make up PYTHON=/path/to/python3.12` names another.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/installed
PIP := -m pip --disable-pip-version-check --quiet
DATA := $(or $(DATA_DIR),data)

.PHONY: help install up test test-slow lint format bench openapi crash fuzz documents soak lock image clean clean-data

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## Make .venv with all that is needed (the others do it when it is missing)

# `exec`, so that a signal sent to make reaches the supervisor and not a shell.
up: $(INSTALLED) ## Start the engine; Ctrl-C stops it
	@exec $(BIN)/llmcoder up

# One process more than there are cores, since a third of the time tests wait; more than eight gain little and each takes
# its memory. One that has nothing left takes over half of what another still has.
PROCESSES ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2); echo $$((n < 8 ? n + 1 : 8)))
PYTEST := $(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal

test: $(INSTALLED) ## Run the tests but for the slow ones; ARGS="-k name" to choose
	@$(PYTEST) $(ARGS)

test-slow: $(INSTALLED) ## Run those that `make test` leaves out: most kill processes and wait for what follows
	@$(PYTEST) -m slow $(ARGS)

lint: $(INSTALLED) ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure speed and memory, and compare (see benchmarks/README.md)
	@$(BIN)/python -m benchmarks $(ARGS)

openapi: $(INSTALLED) ## Send every operation of the API all that its schemas make worth sending (minutes)
	@$(PYTEST) -m slow tests/security/test_openapi_contract.py $(ARGS)

crash: $(INSTALLED) ## Kill everything under load, count what was lost or doubled, write docs/crash-matrix.md
	@$(BIN)/python -m tests.crash $(ARGS)

fuzz: $(INSTALLED) ## Send 10,000 hostile things as one user, and see that another one notices nothing
	@$(BIN)/python -m tests.crash.fuzz $(ARGS)

documents: $(INSTALLED) ## Send 10,000 random JSON documents through every door, on SQLite (an hour)
	@DOCUMENTS=10000 $(BIN)/python -m pytest -n 0 -s -m slow tests/integration/test_any_json.py $(ARGS)

soak: $(INSTALLED) ## Replace the heavy pool's child after every job for 40 minutes, and see that it never stands still
	@$(BIN)/python -m tests.crash.soak $(ARGS)

# Two steps, so that the image can leave out what stands below the second heading.
lock: ## Write requirements.lock anew, with the newest versions that pyproject.toml allows
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(PIP) install --upgrade pip
	.venv-lock/bin/python $(PIP) install .
	.venv-lock/bin/python $(PIP) freeze --exclude llmcoder > .venv-lock/runtime
	.venv-lock/bin/python $(PIP) install '.[dev]'
	.venv-lock/bin/python $(PIP) freeze --exclude llmcoder > .venv-lock/all
	{ echo '# Made by `make lock`. Runtime:'; cat .venv-lock/runtime; \
	  echo '# Development:'; grep -vxFf .venv-lock/runtime .venv-lock/all; } > requirements.lock
	rm -rf .venv-lock

image: ## Build the container image
	docker compose build

clean: ## Delete what can be made anew: .venv and the tools' caches
	rm -rf .venv .venv-lock build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# up.lock shows that it is a data folder of ours, and being able to take it that nothing runs there.
clean-data: $(INSTALLED) ## Delete the data folder with every job, user and setting (needs YES=1)
	@test "$(YES)" = 1 || { echo 'This deletes every job, user and setting in $(DATA). If you mean it: make clean-data YES=1'; exit 1; }
	@test -e '$(DATA)/up.lock' || { echo '$(DATA) is no data folder of the engine'; exit 1; }
	@$(BIN)/python -c 'import sys; from pathlib import Path; from cli.up.preflight import take_lock; take_lock(Path(sys.argv[1]))' '$(DATA)'
	rm -rf -- '$(DATA)'

$(INSTALLED): requirements.lock pyproject.toml
	@test -n '$(PYTHON)' || { echo 'No python3 found: install Python 3.11 or newer, or say make PYTHON=/path/to/python'; exit 1; }
	@'$(PYTHON)' -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.11 or newer is needed, and $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=/path/to/newer" if v < (3, 11) else 0)'
	@echo 'Installing into .venv; this takes a minute or two, once.'
	@'$(PYTHON)' -m venv .venv
	@$(BIN)/python $(PIP) install --no-deps -r requirements.lock
	@$(BIN)/python $(PIP) install --no-deps -e .
	@touch $@
