# Thin commands. `make demo` and `make test` do all the set-up they need; what they make stays in .venv and runs.
PYTHON ?= python3
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := .venv/$(SCRIPTS)
CORE_TESTS := tests/glimpse tests/policy tests/recurrent tests/reward
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test style types check slow lowest newest float64 coverage bench torture tree results commands docs dist clean
help:
	@echo "make demo    install into .venv, train on real handwritten digits, show where the model looks"
	@echo "make test    install into .venv, then style, types and tests"
	@echo "make lowest  the tests with the lowest versions that pyproject.toml allows, in .venv-lowest"
	@echo "make slow    the tests that take longest: compiling, sweeps, restarts, torchrun"
	@echo "make bench   measure the speed of this machine into runs/bench, in a few minutes"
	@echo "make newest  the tests with the newest versions of everything, in .venv-newest"
	@echo "make float64 the tests of the network's parts in double precision"
	@echo "make coverage the tests, and the lines they reach, at least as many as pyproject.toml asks for"
	@echo "make torture kill, starve and corrupt runs for half an hour; writes the figures of docs/reliability.md"
	@echo "make tree    rewrite the tree in docs/architecture.md from the first line of each file"
	@echo "make results rewrite docs/results.md and the tables of README.md and lab/pilots from their files"
	@echo "make commands rewrite docs/commands.md from the help of the commands, and the page of public names"
	@echo "make docs    build the documentation into site; a broken link or a public name without docstring fails"
	@echo "make dist    build wheel and source archive into dist, and check them"
	@echo "make clean   remove .venv and what the checks left; runs stay"

demo: .venv/installed-core
	$(BIN)/foveate train digits --overwrite

test: style types check

style: .venv/installed-style
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/codespell

types: .venv/installed-dev
	$(BIN)/pyright

check: .venv/installed-dev
	$(BIN)/pytest -n 2

slow: .venv/installed-dev
	$(BIN)/pytest -n 2 -m slow

lowest:
	test -x .venv-lowest/$(SCRIPTS)/pip || $(PYTHON) -m venv .venv-lowest
	$(PYTHON) tests/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/$(SCRIPTS)/pip install --quiet -c .venv-lowest/constraints.txt -e '.[dev]'
	.venv-lowest/$(SCRIPTS)/pytest -n 2

newest:
	test -x .venv-newest/$(SCRIPTS)/pip || $(PYTHON) -m venv .venv-newest
	.venv-newest/$(SCRIPTS)/pip install --quiet --upgrade --upgrade-strategy eager -e '.[dev]'
	.venv-newest/$(SCRIPTS)/pytest -n 2

float64: .venv/installed-dev
	FOVEATE_TEST_DTYPE=float64 $(BIN)/pytest -n 2 $(CORE_TESTS)

coverage: .venv/installed-dev
	$(BIN)/pytest -n 2 --cov --cov-report=term:skip-covered

bench: .venv/installed-core
	$(BIN)/python -m benchmarks.bench runs/bench

torture: .venv/installed-torture
	$(BIN)/pytest tests/torture -n 2 --dist loadfile -m "torture or not torture" -o addopts=--import-mode=importlib
	PYTHONPATH=. $(BIN)/python scripts/pages.py torture

tree: .venv/installed-dev
	PYTHONPATH=. $(BIN)/python scripts/pages.py tree

results: .venv/installed-dev
	$(BIN)/python scripts/results.py
	PYTHONPATH=. $(BIN)/python scripts/pages.py bench pilots

commands: .venv/installed-dev
	$(BIN)/python scripts/commands.py

docs: .venv/installed-docs
	$(BIN)/python scripts/notebook_pages.py
	$(BIN)/zensical build --clean --strict
	$(BIN)/python scripts/notebook_pages.py link

dist: .venv/installed-release
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf .venv .venv-lowest .venv-newest .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage dist site

# Each of these files marks a finished installation, which make repeats when the dependencies change. `core` has no extra.
.venv/installed-%: pyproject.toml constraints.txt
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.$(subst [core],,[$*])'
	touch $@
