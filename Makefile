# The commands of the project. Written for GNU make 3.81, which macOS has.

VENV := .venv
PIP := $(VENV)/bin/pip --quiet --disable-pip-version-check --no-input
VENDOR := gateway/web/static/vendor

# Debian keeps servers out of an ordinary user's PATH, Homebrew keeps brokers in sbin.
export PATH := $(PATH):/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/snap/bin

# A stamp is newer than what decides it, or the set-up runs again.
PACKAGES := $(VENV)/.packages
TOOLS := $(VENV)/.tools
FRONT_PACKAGES := node_modules/.installed
FRONT := $(VENDOR)/.stamp

# Files of tests share a fixture (a broker, a browser): a file stays on one of the two processes. They begin in the
# order of their names, for the end-to-end tests take longest and are first. They start the product some forty times:
# whatever the environment says, it is compiled once and not at each start.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test test-long check setup front lock bench pictures mutations clean dev

help: ## Show the commands
	@echo "Replenish: make COMMAND"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
	@echo 'Options go in ARGS, as in: make run ARGS="--port 8080 --speed 60". PYTHON=… names the Python to set up with.'

run: setup ## Set up, start the demonstration and print a sign-in link
	@exec $(VENV)/bin/replenish demo $(ARGS)

test: dev ## Set up, then run every check and every test, browser tests included
	@bash scripts/test_setup.sh
	@$(MAKE) --no-print-directory check
	@$(PYTEST) -m "not long" $(ARGS)

test-long: dev ## Run the long soak: half an hour and more
	@bash scripts/test_setup.sh
	@$(PYTEST) --dist load -m long $(ARGS)

check: dev ## Format, lint, types and import contracts, in under a minute
	@$(VENV)/bin/ruff format --check --quiet . || { echo "Run $(VENV)/bin/ruff format ." >&2; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy && $(VENV)/bin/mypy scripts/*.py
	@$(VENV)/bin/lint-imports

setup: $(PACKAGES) $(FRONT) ## Set up alone; the command is then .venv/bin/replenish

front: $(FRONT) ## Bring the front-end packages alone

lock: dev ## Compile the locks again (ARGS=--upgrade for newer versions)
	@$(VENV)/bin/python scripts/lock.py $(ARGS)

bench: setup ## Run every benchmark and write docs/BENCHMARKS.md
	@$(VENV)/bin/python -m scripts.bench_report $(ARGS)

mutations: dev ## Plant the faults that money must survive, one by one: the tests must catch each
	@$(VENV)/bin/python scripts/mutations.py $(ARGS)

pictures: dev ## Take the README's pictures from the running product
	@bash scripts/test_setup.sh
	@$(VENV)/bin/python scripts/pictures.py $(ARGS)

clean: ## Remove what set-up and checks made; the data directory stays
	@rm -rf $(VENV) node_modules $(VENDOR) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

dev: setup $(TOOLS)

$(PACKAGES): requirements.txt pyproject.toml
	@$(VENV)/bin/python -c "import pip, sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || \
	    { python=$$(sh scripts/find_python.sh $(PYTHON)) && "$$python" -m venv --clear $(VENV); }
	@echo "Installing the locked packages …"
	@$(PIP) install --require-hashes --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): requirements-dev.txt | $(PACKAGES)
	@echo "Installing the locked tools for checks and tests …"
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch $@

$(FRONT_PACKAGES): package.json package-lock.json | $(PACKAGES)
	@echo "Installing the locked front-end packages …"
	@sh scripts/npm.sh ci --ignore-scripts --loglevel=error >/dev/null
	@touch $@

$(FRONT): $(FRONT_PACKAGES) scripts/icons.txt scripts/vendor.py
	@$(VENV)/bin/python scripts/vendor.py
