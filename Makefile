# make run   set up what is missing and start everything
# make test  set up what is missing and run every check and test

VENV ?= .venv
PYTHON ?= $(firstword $(foreach v,python3.11 python3.13 python3.12 python3,$(shell command -v $(v))))
BIN := $(VENV)/bin

PAGE_SOURCES := $(shell find frontend/src frontend/public frontend/index.html frontend/test.html frontend/vite.config.ts -type f 2>/dev/null)

.PHONY: run services page test check unit integration acceptance browser test-rooms bench-start bench-spawn bench-gateway faults soak image-check index eval-rag models requirements drain resume clean

run: $(VENV)/.run page
	@exec $(BIN)/python run.py

# The three reference services (docs/services.md) on 8001, 8002 and 8003 of loopback, until Ctrl-C.
services: $(VENV)/.run
	@exec $(BIN)/python -m services $(SERVICES)

# Without Node the page is left out, and everything else works.
page:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory frontend/dist/index.html; \
	else echo "No npm: the page is left out; the API and everything else work. Install Node 20." >&2; fi

test: check unit integration acceptance browser
	@echo "Everything passed."

check: $(VENV)/.dev frontend/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd frontend && npm run --silent check

unit: $(VENV)/.dev frontend/node_modules/.installed
	$(BIN)/pytest -q -n 2 tests/unit tests/evaluation
	cd frontend && npm test --silent

# Two at a time: most of it waits for networks and processes.
integration: $(VENV)/.dev page
	$(BIN)/pytest -q -n 2 --dist loadfile tests/integration tests/rooms

acceptance: $(VENV)/.dev page
	$(BIN)/pytest -q tests/acceptance

# The page in real Chromium; without one these tests are left out, and pytest says so.
browser: $(VENV)/.dev frontend/dist/index.html
	$(BIN)/pytest -q tests/browser

# Against any LiveKit: LIVEKIT_URL=… LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=… make test-rooms
test-rooms: $(VENV)/.dev
	$(BIN)/pytest -q tests/rooms

# Take this machine out of service and wait until its last call is over; MACHINE=name: another one.
drain: $(VENV)/.run
	@$(BIN)/python -m launch.drain $(if $(MACHINE),--host "$(MACHINE)")

resume: $(VENV)/.run
	@$(BIN)/python -m launch.drain --resume $(if $(MACHINE),--host "$(MACHINE)")

bench-start: $(VENV)/.dev
	$(BIN)/python -m bench.start

# Against any LiveKit: LIVEKIT_URL=… LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=… make bench-spawn
# A part of it: make bench-spawn SPAWN="--only joining ending --sessions 10"; few of all: --quick
bench-spawn: $(VENV)/.dev
	$(BIN)/python -m bench.spawn --keep $(SPAWN)

# Beside Pipecat, which gets an environment of its own; some of it: GATEWAY="--only turns --quick"
bench-gateway: $(VENV)/.dev .venv-pipecat/.installed
	BENCH_PIPECAT_PYTHON=.venv-pipecat/bin/python $(BIN)/python -m bench.gateway --keep $(GATEWAY)

.venv-pipecat/.installed: bench/gateway/requirements-pipecat.txt
	$(PYTHON) -m venv .venv-pipecat
	.venv-pipecat/bin/pip install -q -r $<
	@touch $@

# An hour of conversations: nothing may grow. Shorter: make soak SOAK="--seconds 600"
soak: $(VENV)/.dev
	$(BIN)/python -m bench.gateway.soak $(SOAK)

# Every part killed in every state of a session: some twenty minutes. Some of it:
# make faults FAULTS="--victims API worker --states active"
faults: $(VENV)/.dev
	$(BIN)/python -m bench.faults --keep $(FAULTS)

$(VENV)/.run: requirements.txt pyproject.toml
	@echo "Setting up $(VENV); the first time takes about a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -r requirements.txt
	$(BIN)/pip install -q --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/pip install -q -r requirements-dev.txt
	@touch $@

frontend/node_modules/.installed: frontend/package-lock.json
	cd frontend && npm ci --no-audit --no-fund --silent
	@touch $@

frontend/dist/index.html: frontend/node_modules/.installed $(PAGE_SOURCES)
	@echo "Building the page."
	cd frontend && npm run --silent build
	@touch $@

# The container image, step by step in an empty Debian root, without Docker; as root. For a machine
# that reaches its registries in its own way: IMAGE_CHECK="--bind FILE:PATH --env NAME=VALUE".
image-check:
	$(PYTHON) -m deploy.try_image $(IMAGE_CHECK)

# Documents into the index now: make index, or make index DIR=a/folder/of/collections
index: $(VENV)/.run
	@$(BIN)/python -m agent.knowledge index $(DIR)

# Models for this machine: what there is; make models MODELS="whisper-base piper-ar" fetches some.
models: $(VENV)/.run
	@$(BIN)/python -m launch.models $(MODELS)

# How well questions find their document, beside plain BM25: hit@1, hit@3, MRR.
eval-rag: $(VENV)/.run
	@$(BIN)/python -m bench.rag

requirements: $(VENV)/.dev
	$(BIN)/pip-compile -q --strip-extras --no-emit-find-links --no-emit-index-url -o requirements.txt pyproject.toml
	$(BIN)/pip-compile -q --strip-extras --no-emit-find-links --no-emit-index-url --extra dev --extra all -c requirements.txt -o requirements-dev.txt pyproject.toml

clean:
	rm -rf data frontend/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
