# Every target creates the environment if it is missing. No credentials, no remote, no network but the package index.
PYTHON ?= python3
VENV := .venv
EXTRAS ?= demo,dev
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONHASHSEED := 0
export DVC_NO_ANALYTICS := 1

.PHONY: init repro more plan table exp test test-slow smoke profile lint format clean

init: $(VENV)/installed  ## write params.yaml for your own images: make init IMAGES=~/photos
	python -m pipeline init "$(IMAGES)" $(FLAGS)

repro: $(VENV)/installed  ## run the pipeline; stages without changes are skipped
	python -m pipeline check
	python -m pipeline repro
	python -m pipeline table

more: $(VENV)/installed  ## give open questions the repeats of their next planned look, and run
	python -m pipeline more
	$(MAKE) repro

plan: $(VENV)/installed  ## what gain each question could detect with more repeats or groups, and the minutes it takes
	python -m pipeline plan

table: $(VENV)/installed  ## print the verdicts of the last run
	python -m pipeline table

exp: $(VENV)/installed  ## the verdicts of all experiments, without params
	dvc exp show --drop '.*' --keep 'Experiment|(?!targets|pretrained).*\.(label|evidence|gain|saved)$$' $(FLAGS)

test: $(VENV)/installed  ## run the tests
	python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder  # in the order of tests/conftest.py

test-slow: $(VENV)/installed  ## run the tests that take more than five seconds of a core each
	python -m pytest -m slow -n 2 --dist loadfile

smoke: $(VENV)/installed  ## run the whole pipeline on the smoke profile, in its own workspace
	$(MAKE) profile NAME=smoke FLAGS=--no-run-cache

profile: $(VENV)/installed  ## run the pipeline on profiles/$(NAME).yaml, in its own workspace runs/$(NAME)
	python -m pipeline profile $(NAME) --into runs/$(NAME)
	cd runs/$(NAME) && python -m pipeline check && python -m pipeline repro $(FLAGS) && python -m pipeline table

lint: $(VENV)/installed  ## check style and types
	ruff check .
	ruff format --check .
	mypy

format: $(VENV)/installed
	ruff check --fix .
	ruff format .

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed: make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@

clean:  ## remove the environment and the profiles' workspaces
	rm -rf $(VENV) runs
