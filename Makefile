# make demo: train, evaluate and draw a small pose HRNet on synthetic people.
# make test: run the tests.   Both set up .venv first; `make env` does only that.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: env demo test lint clean

env:
	@$(PYTHON) env/setup_env.py $(VENV)

demo: env
	@$(RUN) tools/demo.py

test: env
	$(RUN) -m pytest tests

lint: env
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
