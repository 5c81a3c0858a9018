# Everything works from a bare machine: Python >= 3.11 and make.
# Settings: PORT, LOCAL_DIR, PYTHON, and in the environment DATABASE_URL,
# REDIS_URL, STRIPE_SECRET_KEY, STRIPE_API_BASE (docs/ has the whole list).

PORT ?= 8000
LOCAL_DIR ?= .local
export PORT LOCAL_DIR PYTHON

VENV := .venv/bin
ARGS ?=
# Of tests: one more than the two processors they are meant for, since many wait for servers.
PROCESSES ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset serve test fuzz lint lint-types lint-rest bench bench-close bench-pages screenshots clean bootstrap lock

help:  ## Show this list
	@echo 'make demo         a running system with two months of usage in it'
	@echo 'make demo-reset   forget the data of demo and serve'
	@echo 'make serve        web, worker and beat without demo data'
	@echo 'make test         run the tests (ARGS="-k period -x" is passed on)'
	@echo 'make fuzz         send the API thousands of requests made from its own document'
	@echo 'make lint         ruff, mypy, migrations, import layers, translations'
	@echo 'make bench        measure ingest'
	@echo 'make bench-close  measure the month end'
	@echo 'make bench-pages  measure pages with ten million records'
	@echo 'make screenshots  take the pictures in docs/ of a demo that runs'
	@echo 'make clean        remove .venv and caches, keep the data'
	@echo
	@echo 'PORT=$(PORT) LOCAL_DIR=$(LOCAL_DIR)'

demo: bootstrap
	@exec $(VENV)/python -m dev.launcher demo

demo-reset: bootstrap
	@exec $(VENV)/python -m dev.launcher demo-reset

serve: bootstrap
	@exec $(VENV)/python -m dev.launcher serve

# Compiled modules are kept, whatever the environment says: tests start a hundred processes, which
# would compile everything anew, a fifth of their time. `make clean` removes them.
test: bootstrap
	@exec env -u PYTHONDONTWRITEBYTECODE $(VENV)/python -m pytest -n $(PROCESSES) --dist worksteal $(ARGS)

# Another seed each time; a failure names it: FUZZ_SEED=... repeats it.
fuzz: bootstrap
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-100} FUZZ_SEED=$${FUZZ_SEED:-$$(date +%s)} \
		$(VENV)/python -m pytest tests/test_fuzzing.py $(ARGS)

# Types take one processor for as long as all the rest takes another.
lint: bootstrap
	@$(MAKE) --no-print-directory -j 2 lint-types lint-rest

lint-types:
	$(VENV)/mypy

lint-rest:
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/python manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=config.settings.local $(VENV)/python -m dev.migration_safety
	$(VENV)/lint-imports
	$(VENV)/python -m dev.catalogues --check

bench: bootstrap
	@exec $(VENV)/python -m dev.benchmarks.ingest $(ARGS)

bench-close: bootstrap
	@exec $(VENV)/python -m dev.benchmarks.close $(ARGS)

# Fills a database of its own at first, which takes a while: ARGS="--records 100000 --of-one 30000".
bench-pages: bootstrap
	@exec $(VENV)/python -m dev.benchmarks.pages $(ARGS)

# Of the demo at PORT, which another terminal runs.
screenshots: bootstrap
	@exec $(VENV)/python -m dev.screenshots

clean:
	rm -rf .venv .venv-setup.log .mypy_cache .ruff_cache .pytest_cache .import_linter_cache htmlcov .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv from requirements.lock; at once when the lock has not changed.
bootstrap:
	@sh dev/bootstrap.sh

# After a change of pyproject.toml. Versions already locked stay: add ARGS=--upgrade.
# The second file is the part of the first one that production installs.
COMPILE := $(VENV)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
lock: bootstrap
	$(COMPILE) --extra dev $(ARGS) --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file deploy/requirements.lock pyproject.toml
