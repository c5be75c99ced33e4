# Thin commands. `make demo` and `make test` do all the set-up they need; what they make stays in .venv and runs.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test style types check lowest torture tree results docs clean
help:
	@echo "make demo    install into .venv, train on real handwritten digits, show where the model looks"
	@echo "make test    install into .venv, then style, types and tests"
	@echo "make lowest  the tests with the lowest versions that pyproject.toml allows, in .venv-lowest"
	@echo "make torture kill, starve and corrupt runs for half an hour; writes the figures of docs/reliability.md"
	@echo "make tree    rewrite the tree in README.md from the first line of each file"
	@echo "make results rewrite docs/results.md and the tables in README.md and docs/lab-notes.md from the files in results"
	@echo "make docs    build the documentation into site"
	@echo "make clean   remove .venv and what the checks left; runs stay"

demo: .venv/installed-core
	$(BIN)/foveate train digits --overwrite

test: style types check

style: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/installed-dev
	$(BIN)/pyright

check: .venv/installed-dev
	$(BIN)/pytest -n 2

lowest:
	test -x .venv-lowest/bin/pip || $(PYTHON) -m venv .venv-lowest
	$(PYTHON) tests/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/pip install --quiet -c .venv-lowest/constraints.txt -e '.[dev]'
	.venv-lowest/bin/pytest -n 2

torture: .venv/installed-torture
	$(BIN)/pytest tests/torture -n 2 --dist loadfile -m "torture or not torture" -o addopts=--import-mode=importlib
	$(BIN)/python docs/figures.py

tree: .venv/installed-dev
	$(BIN)/python docs/tree.py

results: .venv/installed-dev
	$(BIN)/python docs/results.py
	$(BIN)/python docs/bench.py
	$(BIN)/python docs/pilots.py

docs: .venv/installed-docs
	$(BIN)/zensical build

clean:
	rm -rf .venv .venv-lowest .pytest_cache .ruff_cache .hypothesis site

# Each of these files marks a finished installation, which make repeats when the dependencies change. `core` has no extra.
.venv/installed-%: pyproject.toml constraints.txt
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.$(subst [core],,[$*])'
	touch $@
