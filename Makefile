# Every target does all its own set-up; the two that matter: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint format lock bench clean install

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python >= 3.11 is needed"; exit 1; }
	@test -x $(UV) || { "$(PYTHON)" -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv==$(UV_VERSION); }
	# Ray starts a process for each of its parts: compiled once here, they start in less than half the time.
	$(UV) pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --no-deps --python $(BIN)/python --editable .
	@touch $@

demo: $(INSTALLED)
	$(BIN)/shirabe up --demo

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy shirabe ray_app opensearch ingest api evaluation bench tests
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(INSTALLED)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --all-extras \
		pyproject.toml --output-file requirements.lock

bench: $(INSTALLED)
	$(BIN)/python -m bench.engine
	$(BIN)/python -m bench.serving
	$(BIN)/python -m bench.search

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
