# Everything from a bare checkout; needs python3 (3.11 or later, with venv) and make.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
UV := $(shell command -v uv || echo $(BIN)/uv)
COMPILE = $(UV) pip compile --quiet --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --universal --python-version 3.11

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up demo test faults check audit fuzz bench load lock screenshots

help:
	@echo "make up      run everything; Ctrl-C stops it"
	@echo "make demo    the same, with a team worth looking at"
	@echo "make test    the whole test suite, except for the faults"
	@echo "make faults  kill, freeze, fill and starve a running installation (FULL=1: half an hour)"
	@echo "make check   format, lint, types, imports, migrations, templates, dependencies, secrets"
	@echo "make audit   ask PyPI's advisories about what is locked (make check asks no network)"
	@echo "make fuzz    bytes that nobody meant to send, SECONDS=60 of each kind"
	@echo "make bench   measure, in one run and as ratios"
	@echo "make load    what it stands: a herd, mass silence, an hour's soak (SHORT=1: 4 minutes)"
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
	@$(BIN)/python -m pytest -m "system and not faults"

# What a running installation stands (tests/faults): by itself, since it boots one and needs the
# machine. FULL=1 takes the long forms: ten minutes of sleep, ten minutes of kills.
faults: export TOCSIN_FAULTS = $(if $(FULL),full,short)
faults: $(INSTALLED)
	@$(BIN)/python -m pytest -m faults tests/faults

bench: $(INSTALLED)
	@$(BIN)/python -m bench

# make load SHORT=1 takes four minutes; make load ONLY="herd soak" runs some of it (docs/load.md).
load: $(INSTALLED)
	@$(BIN)/python -m bench.strain $(if $(SHORT),--short) $(if $(ONLY),--only $(ONLY)) \
	  $(if $(SOAK_SECONDS),--soak-seconds $(SOAK_SECONDS))

# Of a running installation: make screenshots URL=http://127.0.0.1:8000 EMAIL=… PASSWORD=…
screenshots: $(INSTALLED)
	@$(BIN)/python -m tests.browser.screenshots $(URL) --email $(EMAIL) --password $(PASSWORD) --out var/screenshots

# What `check --deploy` judges: an installation behind https, with nothing of this machine's.
PRODUCTION = env -i PATH="$$PATH" HOME="$$HOME" DJANGO_SETTINGS_MODULE=config.settings \
	DATABASE_URL=postgres://tocsin@db.invalid/tocsin REDIS_URL=redis://broker.invalid/0 \
	BASE_URL=https://tocsin.example.org ALLOWED_HOSTS=tocsin.example.org \
	SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')"

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
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING > .venv/.deploy 2>&1 || { cat .venv/.deploy; exit 1; }
	@$(BIN)/python -m checks.dependencies
	@$(BIN)/python -m checks.secrets
	@$(if $(AUDIT),$(MAKE) audit)
	@bash -n .ci/run
	@! grep -nE '://|--index-url|--find-links' requirements/*.in requirements/*.txt
	@! grep -n '"resolved":' tests/clients/package-lock.json
	@echo "make check: all well"

# Fails where no advisory service answers: what was not asked is not well. AUDIT=1 make check asks too.
audit: $(INSTALLED)
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
	  $(foreach lock,$(wildcard requirements/*.txt),-r $(lock))

# New requests each time; what fails is saved in tests/fuzz/corpus, to be committed with its mending.
SECONDS ?= 60
fuzz: $(INSTALLED)
	@FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest tests/fuzz -q --timeout 0

lock:
	@test -x "$(UV)" || { test -x $(BIN)/python || $(PYTHON) -m venv .venv; $(BIN)/python -m pip install -qq uv; }
	@for set in base observe dev; do $(COMPILE) requirements/$$set.in -o requirements/$$set.txt || exit 1; done

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
