# edgeq's own tasks. `make demo` and `make test` set up everything that they need.

PYTHON ?= $(shell for v in 3.11 3.12 3.10 3.13; do \
	command -v python$$v >/dev/null 2>&1 && python$$v -c 'import venv' 2>/dev/null && \
	echo python$$v && break; done)
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -q
# Files stay whole, so that what one of them shares is made once.
PARALLEL := -n auto --dist loadfile

.PHONY: demo test test-fast test-doors check bench bench-host fuzz builds docs release-check system clean help

help:  ## What there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/.ready-user: pyproject.toml
	@test -n "$(PYTHON)" || { echo "edgeq needs Python 3.10 to 3.13 (set PYTHON=...)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing edgeq and what it needs into $(VENV) (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[convert,firmware,demo]'
	@$(BIN)/python scripts/install_optional.py tflite-micro
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready-user
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

system:
	@sh scripts/system_packages.sh

demo: $(VENV)/.ready-user  ## Train, quantize, verify, compile and measure a small network
	@$(BIN)/python -m examples.demo

test: system $(VENV)/.ready-dev  ## All tests, with everything they need
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

test-fast: $(VENV)/.ready-dev  ## The quick tests, for each commit
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) $(PYTEST_ARGS)

# A file of the CPU build does; other builds of PyTorch are several times as large.
TORCH ?= torch==2.13.0
DOORS := .venv-doors

$(DOORS)/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "edgeq needs Python 3.10 to 3.13 (set PYTHON=...)"; exit 1; }
	@test -x $(DOORS)/bin/python || $(PYTHON) -m venv $(DOORS)
	@echo "Installing edgeq and PyTorch into $(DOORS) ..."
	@$(DOORS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(DOORS)/bin/python -m pip install --quiet --disable-pip-version-check '$(TORCH)' onnxruntime
	@$(DOORS)/bin/python -m pip install --quiet --disable-pip-version-check \
		-e '.[torch,firmware,demo]' pytest pytest-xdist hypothesis
	@touch $@

test-doors: $(DOORS)/.ready  ## ONNX and PyTorch models, against onnxruntime and PyTorch
	$(DOORS)/bin/python -c 'import onnxruntime, torch'
	$(DOORS)/bin/python -m pytest $(PYTEST_ARGS) tests/doors tests/conversion/test_onnx*.py

check: $(VENV)/.ready-dev  ## What CI and pre-commit run on the sources
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'edgeq/*.h' 'edgeq/*.c')
	$(BIN)/python scripts/check_c.py

bench: $(VENV)/.ready-dev  ## Size and speed of the benchmark models, written to the ledger
	$(BIN)/python -m benchmarks.ledger

bench-host: $(VENV)/.ready-dev  ## The C on this machine against LiteRT with XNNPACK, one thread
	$(BIN)/python -m benchmarks.host
	$(BIN)/python -m benchmarks.start

fuzz: $(VENV)/.ready-dev  ## Random ops, graphs, data sets and damaged files, against other implementations
	$(BIN)/python -m tests.oracle.fuzz
	$(BIN)/python -m tests.kernels.layers
	$(BIN)/python -m tests.kernels.hosts
	$(BIN)/python -m tests.kernels.arm64
	$(BIN)/python -m tests.data.fuzz
	$(BIN)/python -m tests.conversion.fuzz
	$(BIN)/python -m tests.conversion.streaming.fuzz
	$(BIN)/python -m tests.frontend.fuzz
	$(BIN)/python -m tests.foreign.fuzz

docs: $(VENV)/.ready-dev  ## The documentation as a site, in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

release-check: $(VENV)/.ready-dev  ## Wheel and sdist, built and tried on every Python here
	$(BIN)/python scripts/release_check.py

builds: $(VENV)/.ready-dev  ## The C of every op, with every compiler and every option it has to bear
	$(BIN)/python -m tests.compiler.codegen.builds
	EDGEQ_EVERY_SYSTEM=1 $(BIN)/python -m pytest -q tests/firmware/apps/test_linux.py

clean:
	rm -rf $(VENV) $(DOORS) build dist site out demo .mypy_cache .ruff_cache .pytest_cache
