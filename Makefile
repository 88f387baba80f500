# Two commands matter: `make demo` and `make test`. `make` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python
# Checks read the settings, which want secrets, but use none.
ANY_SECRETS := SECRET_KEY=for-checks-only-for-checks-only-for-checks KEY_ENCRYPTION_KEY=for-checks-only-for-checks-only-for-checks

.DEFAULT_GOAL := help
.PHONY: help demo start compiled test test-sqlite test-compiled test-postgresql fuzz soak lint format messages bench lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

demo: .venv/installed  ## Run everything with the example backend and example data
	@$(RUN) -m deploy.start --demo

start: .venv/installed  ## Run everything on your own data; prints the set-up link on first start
	@$(RUN) -m deploy.start

compiled: .venv/installed-compiler  ## Compile the gateway's way of a call to machine code (needs a C compiler)
	@$(RUN) -m deploy.compile_gateway

test: lint test-sqlite test-compiled test-postgresql  ## Check style and types, run all tests

# Playwright keeps an event loop running, beside which other tests could not start theirs.
test-sqlite: .venv/installed-dev
	$(RUN) -m pytest -n 2 -m "not browser and not chaos"
	$(RUN) -m pytest -m browser
	$(RUN) -m pytest -m chaos

test-compiled: .venv/installed-dev
	$(RUN) -m deploy.test_compiled

# Wire, browser and example tests do not depend on the database, so they run once, on SQLite.
test-postgresql: .venv/installed-dev
	$(RUN) -m deploy.test_on_postgresql

lint: .venv/installed-dev  ## Check style, types, imports and migrations
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	env $(ANY_SECRETS) $(BIN)/mypy
	$(BIN)/lint-imports
	env $(ANY_SECRETS) $(RUN) manage.py makemigrations --check --dry-run

format: .venv/installed-dev  ## Bring the code into shape
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

messages: .venv/installed-dev  ## Bring the translations' catalogues up to date with the sources, and compile them
	$(RUN) -m deploy.messages

fuzz: .venv/installed-dev  ## Try the parsers with FUZZ_EXAMPLES (20000) made-up inputs for each test
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-20000} $(RUN) -m pytest -n 2 tests/fuzz

soak: .venv/installed-dev  ## Keep the gateway busy for MINUTES (10) with each setting, and look for leaks (needs redis-server)
	$(RUN) -m bench.soak --minutes $${MINUTES:-10}

bench: .venv/installed-dev build/bench/installed compiled  ## Measure the gateway against its peers (needs wrk, hey, nginx, its Lua module, HAProxy and Node.js)
	$(RUN) -m bench.gateway

lock: .venv/installed-dev  ## Renew the requirements*.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade requirements-otel.in -o requirements-otel.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade requirements-saml.in -o requirements-saml.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade requirements-compiler.in -o requirements-compiler.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade bench/requirements.in -o bench/requirements.txt

clean:  ## Remove the virtual environment and caches; data in var/ stays
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/installed: requirements.txt
	@PYTHON="$(PYTHON)" sh deploy/make_venv.sh
	@echo "Installing the locked packages ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@echo "Installing the locked packages for tests ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

.venv/installed-compiler: .venv/installed requirements-compiler.txt
	@echo "Installing the locked compiler ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-compiler.txt
	@touch $@

build/bench/installed: bench/requirements.txt bench/configurations/express-gateway/package-lock.json
	@echo "Installing the gateway's peers ..."
	@mkdir -p build/bench
	@$(PYTHON) -m venv build/bench/venv
	@build/bench/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.txt
	@cp bench/configurations/express-gateway/package*.json build/bench/
	@cd build/bench && npm ci --silent --ignore-scripts
	@touch $@
