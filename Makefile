# make run   set up what is missing and start everything
# make test  set up what is missing and run every check and test

VENV ?= .venv
PYTHON ?= $(firstword $(foreach v,python3.11 python3.13 python3.12 python3,$(shell command -v $(v))))
BIN := $(VENV)/bin

.PHONY: run test check unit integration acceptance test-rooms bench-start requirements clean

run: $(VENV)/.run
	@exec $(BIN)/python run.py

test: check unit integration acceptance

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	$(BIN)/pytest -q tests/unit tests/evaluation

integration: $(VENV)/.dev
	$(BIN)/pytest -q tests/integration tests/rooms

acceptance: $(VENV)/.dev
	$(BIN)/pytest -q tests/acceptance

# Against any LiveKit: LIVEKIT_URL=… LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=… make test-rooms
test-rooms: $(VENV)/.dev
	$(BIN)/pytest -q tests/rooms

bench-start: $(VENV)/.dev
	$(BIN)/python -m bench.start

$(VENV)/.run: requirements.txt pyproject.toml
	@echo "Setting up $(VENV); the first time takes about a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -r requirements.txt
	$(BIN)/pip install -q --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/pip install -q -r requirements-dev.txt
	@touch $@

requirements: $(VENV)/.dev
	$(BIN)/pip-compile -q --strip-extras --no-emit-find-links --no-emit-index-url -o requirements.txt pyproject.toml
	$(BIN)/pip-compile -q --strip-extras --no-emit-find-links --no-emit-index-url --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml

clean:
	rm -rf data .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
