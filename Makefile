# make test, make benchmark, make full, make docs: each makes .venv when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Errors only: pip's warnings about mirrors that lack a package would bury the rest.
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
INSTALL := $(PIP) install -c constraints.txt
DEMO_MODELS := hear_plugins.logmel hear_plugins.opensmile hear_plugins.crepe
# Small heads, two points of the grid: minutes instead of an hour.
DEMO_OPTIONS := --model-options 'hear_plugins.opensmile={"scaling": "log"}' \
	--grid faster --grid-points 2 --threads 1 --jobs 2
# Processes that make test runs.
JOBS := 2
# Of make full: the folder of task folders, and where everything goes.
TASKS_DIR := my-tasks
OUT := runs/full

.PHONY: benchmark test full docs clean
benchmark: $(VENV)/installed
	$(BIN)/hear-benchmark run $(DEMO_MODELS) --tasks demo $(DEMO_OPTIONS) --out runs/demo

full: $(VENV)/installed-all
	PATH="$(CURDIR)/$(BIN):$$PATH" benchmark/full.sh $(TASKS_DIR) $(OUT)

test: $(VENV)/installed-all
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build -q docs build/site
	@echo "build/site/index.html"

$(VENV)/installed-docs: $(VENV)/installed-all
	@$(INSTALL) -e '.[docs]'
	@touch $@

# torch first and alone: a package that only asks for "torch" then keeps this one.
$(VENV)/installed: setup.py pyproject.toml constraints.txt requirements-nodeps.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed, not %s; type: make PYTHON=python3.11" % sys.version.split()[0])'
	@echo "Installing into $(VENV): some minutes, and about 2 GB"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) torch
	@$(INSTALL) -e '.[opensmile,formats,midi]'
	@$(PIP) install --no-deps --ignore-requires-python -r requirements-nodeps.txt
	@touch $@

# What only tests need, and models and engines that the main job does without.
$(VENV)/installed-all: $(VENV)/installed
	@echo "Installing what the tests need into $(VENV): some minutes more"
	@$(INSTALL) -e '.[opensmile,wav2vec2,formats,midi,kit,validator,test,dev]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache
