# `make run` and `make test` do all the set-up on a fresh machine that has Python 3.11 with venv, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
INSTALLED_DEV := $(VENV)/installed-dev
SOURCES := cocoannot tests bench wsgi.py gunicorn.conf.py

.PHONY: install run tools test torture coverage fuzz screenshots check check-page format bench clean

install: $(INSTALLED)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cocoannot needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(INSTALLED_DEV): requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo/annotations.json: | $(INSTALLED)
	$(BIN)/python -m cocoannot.demo demo

# Serves COCOANNOT_DATASET, or a demo dataset where it is not set; at port 8000, or at PORT.
ifeq ($(COCOANNOT_DATASET),)
run: export COCOANNOT_DATASET := demo/annotations.json
run: demo/annotations.json
endif
run: $(INSTALLED)
	@exec $(BIN)/gunicorn $(if $(PORT),--bind 127.0.0.1:$(PORT)) wsgi:app

# What tests need that break the disk; those that can't have it skip, and say why.
TOOLS := strace eatmydata mkfs.ext4 chromium
tools:
	@command -v $(TOOLS) >/dev/null 2>&1 && [ "$$(command -v $(TOOLS) | wc -l)" = "$(words $(TOOLS))" ] || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& apt-get install -y -qq strace eatmydata e2fsprogs mount chromium >/dev/null; } \
		|| echo "one of $(TOOLS) is missing: some tests skip"

test: $(INSTALLED_DEV) tools
	$(BIN)/python -m pytest $(PYTEST_ARGS)

coverage: $(INSTALLED_DEV)
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

# The tests that break things on purpose, as long as it takes to believe them; they print what they did.
torture: $(INSTALLED_DEV) tools
	$(BIN)/python -m pytest --torture --no-skips -rP -m torture $(PYTEST_ARGS)

# Longer than the tests do: CASES for each operation, then 20 stateful runs.
fuzz: $(INSTALLED_DEV)
	PYTHONPATH=. $(BIN)/python tests/test_schemathesis.py $(or $(CASES),500)

# The README's pictures of the page.
screenshots: $(INSTALLED_DEV) tools
	PYTHONPATH=.:tests $(BIN)/python tests/screenshots.py docs/images

check: $(INSTALLED_DEV)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory check-page

# The page's scripts, with their types.
check-page: tools/page/node_modules/installed
	npm --prefix tools/page run --silent check

tools/page/node_modules/installed: tools/page/package.json tools/page/package-lock.json
	@command -v npm >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; } \
		|| { echo "npm is missing: checking the page needs Node.js 18 or newer, and npm" >&2; exit 1; }
	npm --prefix tools/page ci --silent --no-audit --no-fund
	@touch $@

format: $(INSTALLED_DEV)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# Twenty minutes; BENCH_ARGS=--quick tells in one whether it works. bench/RESULTS.md is where it goes.
bench: $(INSTALLED_DEV)
	$(BIN)/python -m bench $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
