# Everything from a bare checkout; needs python3 (3.11 or later, with venv) and make.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
UV := $(shell command -v uv || echo $(BIN)/uv)
COMPILE = $(UV) pip compile --quiet --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --universal --python-version 3.11

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up demo test check bench lock screenshots

help:
	@echo "make up      run everything; Ctrl-C stops it"
	@echo "make demo    the same, with a team worth looking at"
	@echo "make test    the whole test suite"
	@echo "make check   format, lint, types, imports, migrations, templates"
	@echo "make bench   measure, in one run and as ratios"
	@echo "make screenshots URL=... EMAIL=... PASSWORD=...  a picture of every page"
	@echo "make lock    work out the locked requirements anew"

up: $(INSTALLED)
	@$(BIN)/python -m config.up --follow-parent

demo: $(INSTALLED)
	@$(BIN)/python -m config.up --follow-parent --demo

# Two processes, each with servers of its own: `make test JOBS=4` where there are more cores. Browser
# tests have an event loop of their own in their process, so they share none with the others; what
# boots whole installations and waits for them runs by itself.
JOBS ?= 2
test: $(INSTALLED)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not system and not browser"
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m browser
	@$(BIN)/python -m pytest -m system

bench: $(INSTALLED)
	@$(BIN)/python -m bench

# Of a running installation: make screenshots URL=http://127.0.0.1:8000 EMAIL=… PASSWORD=…
screenshots: $(INSTALLED)
	@$(BIN)/python -m tests.browser.screenshots $(URL) --email $(EMAIL) --password $(PASSWORD) --out var/screenshots

# Each step says nothing unless it fails. No server needs to run: the settings of the tests do not
# wait for one.
check: export DJANGO_SETTINGS_MODULE = config.settings_test
check: $(INSTALLED)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "run: $(BIN)/ruff format"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > .venv/.imports 2>&1 || { cat .venv/.imports; exit 1; }
	@$(BIN)/python manage.py check --fail-level WARNING > .venv/.check 2>&1 || { cat .venv/.check; exit 1; }
	@$(BIN)/python manage.py makemigrations --check --dry-run > .venv/.migrations 2>&1 || { cat .venv/.migrations; exit 1; }
	@$(BIN)/djlint --lint --quiet templates > .venv/.templates 2>&1 || { cat .venv/.templates; exit 1; }
	@bash -n .ci/run
	@! grep -nE '://|--index-url|--find-links' requirements/*.in requirements/*.txt
	@! grep -n '"resolved":' tests/clients/package-lock.json
	@echo "make check: all well"

lock:
	@test -x "$(UV)" || { test -x $(BIN)/python || $(PYTHON) -m venv .venv; $(BIN)/python -m pip install -qq uv; }
	@for set in base dev; do $(COMPILE) requirements/$$set.in -o requirements/$$set.txt || exit 1; done

# Installs when the content of the lock has changed, not at every touch of the file; then the
# command `tocsin`, as a link to tocsin/.
$(INSTALLED): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed; say which with PYTHON=..." >&2; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@cmp -s requirements/dev.txt $@ || { \
	  echo "Installing the locked requirements into .venv (about a minute, once)" && \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.txt; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@cp requirements/dev.txt $@
