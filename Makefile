# Settings go in SETTINGS: make up SETTINGS="--listen 0.0.0.0:8080"
.PHONY: up down test check format bench lock

up:
	@scripts/up $(SETTINGS)

down:
	@scripts/down $(SETTINGS)

test:
	@scripts/test

# The quick part of `make test`: style and types, no sandboxes.
check:
	@scripts/venv dev
	@.venv/bin/python -m pytest tests/style tests/unit

format:
	@.venv/bin/ruff check --fix src tests bench
	@.venv/bin/ruff format src tests bench

# Figures of the running server, beside docker's where there is an engine. Those of stored hibernation need a server that
# stores soon: make up SETTINGS="--freeze-seconds 3"
bench:
	@.venv/bin/python -m bench.figures

lock:
	@scripts/lock
