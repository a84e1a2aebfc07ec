# Everything here sets up what it needs first, says what it installs, and is quick the second time.
# The version that the tests run with, else whatever is new enough; tried, since a pyenv shim may lead nowhere.
PYTHON ?= $(shell for python in python3.11 python3; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Pyverilog comes as source; the oldest way to build it is leaving pip.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517

.DEFAULT_GOAL := help
# Two targets at once would wait for the same lock of the package manager.
.NOTPARALLEL:
.PHONY: help setup setup-dev demo test test-full bench lint clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/base.stamp  ## system packages, virtual environment, simulator

setup-dev: $(VENV)/dev.stamp  ## the same, with what tests and lint need

demo: $(VENV)/base.stamp  ## the whole way on a convolution and a matrix product
	$(BIN)/brickwork demo

test: $(VENV)/dev.stamp  ## the tests of a few minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not full" $(ARGS)

test-full: $(VENV)/dev.stamp  ## all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

bench: $(VENV)/dev.stamp  ## measure speed on this machine
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/dev.stamp  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

clean:  ## remove what the other targets made, apart from .venv and the build cache of the simulator
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(VENV)/system.stamp: scripts/system-packages
	@PYTHON=$(PYTHON) scripts/system-packages
	@mkdir -p $(VENV)
	@touch $@

# First, so that who cannot install anything is told of all packages at once.
$(VENV)/test-system.stamp: scripts/system-packages
	@PYTHON=$(PYTHON) scripts/system-packages test
	@mkdir -p $(VENV)
	@touch $@

$(VENV)/base.stamp: pyproject.toml $(VENV)/system.stamp
	@echo "python packages: installing into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@$(BIN)/python -c 'from sim.toolchain import verilator_version; print("simulator:", verilator_version())'
	@echo "simulator: compiling what all designs share (half a minute, once)"
	@$(BIN)/python -c 'from sim.toolchain import cache_folder; from sim.verilator import shared_runtime; shared_runtime(cache_folder(), None)'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/test-system.stamp $(VENV)/base.stamp
	@echo "python packages: installing those for tests and kernels (torch is large) into $(VENV)"
	$(PIP) --editable '.[dev,gpu,cluster]'
	@touch $@
