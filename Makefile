# make demo and make test each do all their own set-up on a fresh machine.
VENV := .venv
PY   := $(VENV)/bin/python
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PYTHON ?= python3
WORKERS ?= 3# most tests wait for real processes

.PHONY: demo test check audit bench accuracy soak fuzz mutants node-red clean system-packages format
.DEFAULT_GOAL := test

# Debian keeps venv and ensurepip in a package of its own.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends python3-venv; }
	$(PYTHON) -m venv $(VENV)

# The stamp depends on pyproject.toml only: the install is editable.
$(VENV)/.installed: pyproject.toml $(VENV)/bin/python
	$(PY) -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
	$(PY) -m pip install -q --disable-pip-version-check -e '.[embedded]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PY) -m pip install -q --disable-pip-version-check --group dev
	@touch $@

$(VENV)/.installed-mutation: $(VENV)/.installed
	$(PY) -m pip install -q --disable-pip-version-check --group mutation
	@touch $@

# The judge of docs/asyncapi.json; without npm its test is skipped, and jsonschema alone judges.
.node/asyncapi: Makefile
	@if command -v npm >/dev/null; then \
	  npm install --silent --prefix .node --ignore-scripts --no-audit --no-fund @asyncapi/parser@3.6.6 && touch $@ || \
	    echo "npm could not install @asyncapi/parser: its test is skipped"; \
	fi

# Half a minute and 120 MB: not part of `make test`.
.node-red/installed: Makefile
	npm install --silent --prefix .node-red --ignore-scripts --no-audit --no-fund node-red@4.1.15 && touch $@

# Loads docs/examples/node-red-flow.json into Node-RED and feeds it.
node-red: system-packages .node-red/installed $(VENV)/.installed-dev
	$(PY) -m pytest -q -m nodered

system-packages:
	@missing=""; \
	command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || missing="$$missing mosquitto"; \
	command -v mosquitto_sub >/dev/null || missing="$$missing mosquitto-clients"; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$$missing chromium"; \
	command -v dbus-daemon >/dev/null || missing="$$missing dbus"; \
	command -v cc >/dev/null && [ -e /usr/include/stdio.h ] || missing="$$missing gcc libc6-dev"; \
	if [ -n "$$missing" ]; then \
	  echo "installing$$missing"; \
	  $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
	fi

demo: $(VENV)/.installed
	$(VENV)/bin/cable-station demo

test: system-packages .node/asyncapi $(VENV)/.installed-dev
	$(PY) -m pytest -n $(WORKERS) --dist loadfile

check: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: system-packages $(VENV)/.installed-dev
	$(PY) -m tests.benchmarks

# Takes up to 45 minutes; `make mutants MUTANTS="--count 40 sets"` takes a few of one module.
mutants: $(VENV)/.installed-mutation
	$(PY) -m tests.mutation $(MUTANTS)

# Writes docs/accuracy.md; some ten minutes on two cores.
accuracy: $(VENV)/.installed-dev
	$(PY) -m tests.accuracy

soak: system-packages $(VENV)/.installed-dev
	$(PY) -m tests.soak

# Without atheris, which does not install everywhere, the bytes are changed at random instead.
fuzz: $(VENV)/.installed-dev
	-@$(PY) -m pip install -q --disable-pip-version-check --only-binary :all: --group fuzz
	$(PY) -m tests.fuzz --minutes 10

# Asks the network's list of known weaknesses about everything that is installed; in an environment of its own.
audit: $(VENV)/.installed-dev
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
	$(VENV)/audit/bin/python -m pip install -q --disable-pip-version-check --group audit
	$(PY) -m pip freeze --exclude-editable > $(VENV)/audit/installed.txt
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip -r $(VENV)/audit/installed.txt

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix-only -q .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) .node .node-red .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .mutants .fuzz
