SHELL := /bin/bash
VENV := .venv
STAMP := $(VENV)/.setup-done
JOBS ?= 2
PYTEST_ARGS ?=
DEMO_OUTPUT ?= demo-output

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-train test campaign docs lint typecheck format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

# setup.cfg is what the environment is made from: the stamp is stale when it changes, and goes with .venv.
$(STAMP): setup.cfg pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh $(VENV)
	@touch $@

setup: $(STAMP)  ## make .venv and install the Debian packages it needs, where it may
	@echo "setup: $(VENV) is ready"

demo: $(STAMP)  ## separate a bundled song with the shipped priors; write the stems and a picture
	@$(VENV)/bin/instglow demo --output $(DEMO_OUTPUT)

demo-train: $(STAMP)  ## the whole job: synthesise a band, train four priors, separate a new song
	@OMP_NUM_THREADS=1 $(VENV)/bin/instglow demo --train --output $(DEMO_OUTPUT)

# One thread a worker: with more, the workers fight for the cores and the suite takes longer.
test: $(STAMP)  ## run the tests; PYTEST_ARGS="-m slow" for the slow ones
	@OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

campaign: $(STAMP)  ## try hostile inputs, kills and full disks; 20 minutes, counts to benchmarks/results
	@OMP_NUM_THREADS=1 PYTHONPATH=tests $(VENV)/bin/python -P -m campaign.run --output benchmarks/results/campaign.json

docs: $(STAMP)  ## build the documentation to docs/_build; warnings are errors
	@$(VENV)/bin/python -m sphinx -W --keep-going -q -b html docs docs/_build

lint: $(STAMP)  ## check style and formatting
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

typecheck: $(STAMP)  ## check the types of the package
	@$(VENV)/bin/mypy

format: $(STAMP)  ## mend style and formatting
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

clean:  ## remove what tests, builds and the demo wrote; .venv stays
	rm -rf build dist docs/_build *.egg-info .pytest_cache .ruff_cache .mypy_cache .coverage .coverage.* htmlcov $(DEMO_OUTPUT)
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +
