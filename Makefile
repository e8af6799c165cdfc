# make demo: train, evaluate and draw a small pose HRNet on synthetic people.
#     TASK=det (boxes, masks) or TASK=seg (body parts) for a model of that task; TASK=bottomup for
#     the keypoints of people who overlap, all of an image at once.
# make test: run the tests.   Both set up .venv first; `make env` does only that.
# STACK=onedl does any of these with OpenMMLab's maintained fork, in .venv-onedl; oldest and newest
#     with the oldest and the newest Python, PyTorch and numpy that are supported.
# MMCV_OPS=1 compiles mmcv's operators and xtcocotools, in .venv-ops, in place of the stand-ins.

STACK ?= openmmlab
TASK ?= pose
PYTHON_oldest := python3.10
PYTHON_newest := python3.13
PYTHON ?= $(or $(PYTHON_$(STACK)),$(shell command -v python3.11 || command -v python3))
VENV := .venv$(if $(filter-out openmmlab,$(STACK)),-$(STACK))$(if $(filter 1,$(MMCV_OPS)),-ops)
RUN := $(VENV)/bin/python

.PHONY: env demo test lint

env:
	@$(PYTHON) env/setup_env.py $(VENV) --stack $(STACK) $(if $(filter 1,$(MMCV_OPS)),--mmcv-ops)

demo: env
	@$(RUN) tools/demo.py --task $(TASK)

# Two processes of one thread each: on 2 cores faster than one process of two threads.
test: env
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadscope tests

lint: env
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
