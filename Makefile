# mesassist: every command a person or CI needs. `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
CHROMIUM ?= /usr/bin/chromium
export CHROMIUM

# What static checks need from the environment; they talk to no server.
CHECK_ENV := SECRET_KEY=check-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ \
             TOKEN_KEYS=check:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA= \
             API_KEY_PEPPERS=check:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA= \
             DATABASE_URL=postgresql://check:check@127.0.0.1:1/check REDIS_URL=redis://127.0.0.1:1/0

.DEFAULT_GOAL := help
.PHONY: help run demo test test-faults test-kafka test-fuzz sabotage test-walls bench check format lock front clean

help:
	@echo "make run          the portal at http://127.0.0.1:8000 with two demo plants (PORT=8001 for another port)"
	@echo "make demo         the same up to the first analysis, then stop"
	@echo "make test         every test, on a real PostgreSQL and Redis of their own"
	@echo "make test-faults  everything killed and cut off in mid-work; NEMESIS_RUNS=1000 NEMESIS_FAULTS=100 NEMESIS_SEEDS=5 the whole storm"
	@echo "make test-kafka   the Kafka tests against a real Apache Kafka broker (needs Java 17 and Maven)"
	@echo "make test-fuzz    100,000 mutated records through each door"
	@echo "make test-walls   every address, row, canary and request that could cross from one tenant to another, with figures"
	@echo "make sabotage     takes each control away and expects a test to notice"
	@echo "make bench        every benchmark, one JSON object per line; BENCH=\"rollup page\" only some, BENCH_EVENTS=1000000 shorter histories"
	@echo "make check        lint, types, import contracts, templates, migrations, audit, system checks"
	@echo "make format       let ruff and djlint write"
	@echo "make lock         compile requirements/*.in with hashes"

# --- set-up: each stamp is older than what it was made from, so a second run does nothing ------------
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "mesassist needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 run"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: requirements/base.txt | $(BIN)/python
	@echo "Installing the locked packages ..."
	$(PIP) -r requirements/base.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.base
	@echo "Installing what tests and checks need ..."
	$(PIP) -r requirements/dev.txt
	@touch $@

front: $(VENV)/.base
	@$(BIN)/python frontend/build.py

run demo: front
	@$(BIN)/python -m mesassist.launch $@

# --- proof ------------------------------------------------------------------------------------------
test: $(VENV)/.dev front
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not faults and not browser and not kafka and not fuzz"

test-faults: $(VENV)/.dev front
	$(BIN)/python -m pytest -n 0 -m "faults and not kafka"

# One line says what is missing where the broker cannot be had.
test-kafka: $(VENV)/.dev front
	@$(BIN)/python -m production.tests.kafka.jars
	$(BIN)/python -m pytest -n 0 -m kafka production/tests/kafka

test-fuzz: $(VENV)/.dev front
	$(BIN)/python -m pytest -n 0 -s -m fuzz

# In full: everybody by every method, 100,000 requests at once of two tenants, and as many from the schema.
test-walls: $(VENV)/.dev front
	WALLS=full $(BIN)/python -m pytest -n 0 mesassist/tests/security

# Each control is taken away once and a test must notice; CONTROLS="a name" for some.
sabotage: $(VENV)/.dev front
	@$(BIN)/python -m mesassist.tests.sabotage $(CONTROLS)

bench: $(VENV)/.dev
	@$(BIN)/python -m bench $(BENCH)

check: $(VENV)/.dev front
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "mypy, strict"; $(CHECK_ENV) $(BIN)/mypy mesassist production analyses dashboards offline_analyst
	@echo "who may import whom"; $(BIN)/lint-imports --no-logo
	$(BIN)/djlint templates --check --lint --quiet
	$(BIN)/deptry --no-ansi .
	@echo "migrations"; $(CHECK_ENV) $(BIN)/python manage.py makemigrations --check --dry-run
	@echo "system checks"; $(CHECK_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@echo "schema"; $(CHECK_ENV) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file $(VENV)/schema.yaml
	@$(BIN)/python .ci/audit.py $(BIN)/pip-audit requirements/base.txt

# --- upkeep -----------------------------------------------------------------------------------------
format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint templates --reformat --quiet

lock: $(VENV)/.dev
	for name in base dev; do \
	  $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	    requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean:
	rm -rf $(VENV) .mesassist static/dist staticfiles frontend/node_modules
