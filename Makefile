# The commands a person runs are the commands CI runs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check chaos bench bench-full soak audit deploy fuzz clean

run: .venv/.installed  ## install what is missing, then serve the page
	@$(BIN)/lstm-lab $(ARGS)

test: .venv/.dev  ## every test, the ones in a real browser included
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m tests.postgres
	$(BIN)/python -m pytest tests --numprocesses auto --dist loadfile $(ARGS)

check: .venv/.dev  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

chaos: .venv/.dev  ## kill whatever can be killed, and compare every run with its undisturbed twin
	$(BIN)/python -m tests.chaos $(ARGS)

bench: .venv/.dev  ## the measurements behind the claims, as ratios in one run
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m tests.bench $(ARGS)

bench-full: .venv/.dev  ## the same with more turns, for figures to publish
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m tests.bench --full $(ARGS)

soak: .venv/.dev  ## half an hour of ten busy pages: what grows? make soak ARGS="--minutes 5 --pages 4"
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m tests.bench.soak $(ARGS)

audit: .venv/.dev  ## the pinned packages against the known weaknesses; asks the package index, so it needs the network
	$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement constraints.txt

deploy: .venv/.dev  ## try the recipe in assets/deploy for real: nginx and Caddy (or one, by ARGS) must be installed
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m tests.deploy $(ARGS)

fuzz: .venv/.dev  ## hostile input for everything that takes any, by seed: make fuzz ARGS="--inputs 10000 --seed 1"
	$(BIN)/python -m tests.fuzz $(ARGS)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/output

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "LSTM Lab needs Python 3.11 or newer; set PYTHON=… to one.")'
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch .venv/.installed $@
