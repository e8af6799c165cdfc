# make demo: train, evaluate and draw a small pose HRNet on synthetic people.
#     TASK=det (boxes, masks) or TASK=seg (body parts) for a model of that task.
# make test: run the tests.   Both set up .venv first; `make env` does only that.
# STACK=onedl does any of these with OpenMMLab's maintained fork, in .venv-onedl.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
STACK ?= openmmlab
TASK ?= pose
VENV := .venv$(if $(filter-out openmmlab,$(STACK)),-$(STACK))
RUN := $(VENV)/bin/python

.PHONY: env demo test lint

env:
	@$(PYTHON) env/setup_env.py $(VENV) --stack $(STACK)

demo: env
	@$(RUN) tools/demo.py --task $(TASK)

# Two processes of one thread each: on 2 cores faster than one process of two threads.
test: env
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadscope tests

lint: env
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
