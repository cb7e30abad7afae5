# Two commands matter: `make demo` runs the hub on simulated sites, `make test` shows that it does what it promises.
# Each installs by itself what it needs, into .venv and .cache; `make clean` takes both away.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
ARGS ?=

.PHONY: demo run test check fix soak bench lock services generated clean

demo: .venv/hub.done
	@$(BIN)/property-hub demo $(ARGS)

run: .venv/hub.done
	@$(BIN)/property-hub run $(ARGS)

test: .venv/dev.done services
	@$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

check: .venv/dev.done
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests benchmarks
	@$(BIN)/lint-imports
	@$(BIN)/python -m app.reference --check

fix: .venv/dev.done
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python -m app.reference

soak: .venv/dev.done services
	@$(BIN)/python -m pytest -m soak $(ARGS)

# What the tests run against besides Python packages: Mosquitto, PostgreSQL, Chromium, Java with Maven.
services: .venv/dev.done
	@sh tests/install-services

lock:
	@for n in hub dev; do uv pip compile -q --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	  --python-version 3.11 --universal requirements/$$n.in -o requirements/$$n.txt; done

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found. On Debian: apt-get install python3 python3-venv"; exit 1; }
	@echo "Making the virtual environment .venv with $(PYTHON) ..."
	@$(PYTHON) -m venv .venv

.venv/hub.done: requirements/hub.txt | .venv/bin/python
	@echo "Installing the hub's packages into .venv (about 120 MB, once) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes -r requirements/hub.txt
	@sh app/link.sh
	@touch $@

.venv/dev.done: requirements/dev.txt requirements/hub.txt | .venv/bin/python
	@echo "Installing the hub's packages and what its tests need into .venv (about 200 MB, once) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes -r requirements/dev.txt
	@sh app/link.sh
	@touch .venv/hub.done $@

clean:
	rm -rf .venv .cache
