# The few commands a user needs. `make` alone lists them. Everything is installed into .venv, nothing elsewhere.

PYTHON ?= python3
STORAGE ?= results

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: help setup run test chaos lint ui optuna
.DELETE_ON_ERROR:

help:
	@echo "make setup   the virtual environment .venv with the project, from constraints.txt; the others call it when needed"
	@echo "make run     Figure 7a on the synthetic data: python orchestrate.py ablation=stride_grid"
	@echo "make test    the tests"
	@echo "make chaos   kills twenty processes of a grid while it runs, and looks for what was lost; half an hour"
	@echo "make lint    style and types"
	@echo "make ui      MLflow's page of the record in $(STORAGE)/, on 127.0.0.1:5000"
	@echo "make optuna  Optuna's page of the searches in $(STORAGE)/, on 127.0.0.1:8080"
	@echo
	@echo "PYTHON=… another interpreter for set-up   STORAGE=… and PORT=… another record and port for ui and optuna"

setup: $(VENV)/.set-up
	@echo "set-up: $(VENV) is ready"

run: $(VENV)/.set-up
	@$(BIN)/python orchestrate.py ablation=stride_grid

test: $(VENV)/.set-up-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

chaos: $(VENV)/.set-up-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos

lint: $(VENV)/.set-up-test
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy

# The folder's name reaches the program through the environment, so that it may have any characters.
ui optuna: export STORAGE := $(STORAGE)

ui: PORT ?= 5000
ui: $(VENV)/.set-up
	@$(BIN)/python -m d3d.bench.record.pages ui "$$STORAGE" $(PORT)

optuna: PORT ?= 8080
optuna: $(VENV)/.set-up
	@$(BIN)/python -m d3d.bench.record.pages optuna "$$STORAGE" $(PORT)

# Set-up runs again when what is to be installed has changed.
$(VENV)/.set-up: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
	  echo "set-up: $(PYTHON) is not Python 3.11 or newer; name one that is: make setup PYTHON=python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || { echo "set-up: creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "set-up: installing the project and what it needs into $(VENV); the first time takes a few minutes"
	@$(INSTALL) '.[bench]'
	@touch $@

$(VENV)/.set-up-test: $(VENV)/.set-up
	@echo "set-up: installing what the tests need"
	@$(INSTALL) '.[test]'
	@touch $@
