# The few commands a user needs. `make` alone lists them. Everything is installed into .venv, nothing elsewhere.

PYTHON ?= python3
STORAGE ?= results

VENV := .venv
BIN := $(VENV)/bin
# What the user's pip settings, such as PIP_USER=1, say about where to install does not hold for $(VENV); the indexes,
# proxies and certificates that they name do hold.
unexport PIP_PYTHON
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check \
  --no-user --target= --prefix="$(CURDIR)/$(VENV)" --root=/ --no-deps --no-build-isolation
# One dependency has no wheel; no other is built here.
LOCKED := $(INSTALL) --require-hashes --only-binary=:all: --no-binary=antlr4-python3-runtime

.PHONY: help setup run test chaos lint ui optuna
.DELETE_ON_ERROR:

help:
	@echo "make setup   the virtual environment .venv with the project, as requirements/ locks it; the others call it when needed"
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
$(VENV)/.set-up: pyproject.toml requirements/build.txt requirements/torch-cpu.txt requirements/bench.txt requirements/cuda.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
	  echo "set-up: $(PYTHON) is not Python 3.11 or newer; name one that is: make setup PYTHON=python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || { echo "set-up: creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "set-up: installing the project and what it needs into $(VENV); the first time takes a few minutes"
	@$(LOCKED) --requirement requirements/build.txt
	@# The CPU build of torch, where one of the user's indexes has it; else PyPI's.
	@$(LOCKED) --requirement requirements/torch-cpu.txt 2> /dev/null || true
	@$(LOCKED) --requirement requirements/bench.txt
	@# A build of torch with a label, such as 2.13.0+cpu, is not PyPI's: it needs no CUDA libraries, or came with them.
	@if $(BIN)/python -c 'import sys; from importlib.metadata import version; sys.exit("+" in version("torch"))'; then \
	  $(LOCKED) --requirement requirements/cuda.txt; fi
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.set-up-test: $(VENV)/.set-up requirements/test.txt
	@echo "set-up: installing what the tests need"
	@$(LOCKED) --requirement requirements/test.txt
	@touch $@
