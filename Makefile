# Every target bootstraps what it needs into .venv; nothing is installed elsewhere, and no uv cache is left in your home.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
UV := $(BIN)/python -m uv
INSTALL := $(UV) pip install --quiet --no-cache --python $(BIN)/python
CODE := app.py infra functions layers/shared cli tests

.PHONY: help demo test setup setup-dev check format lint types imports synth layers requirements bench-run bench-providers bench-judges bench-analytics clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup  ## a real A/B test of a real LLM, from nothing to a verdict
	@exec $(BIN)/abtest demo

test: setup-dev  ## every test
	@exec $(BIN)/python -m pytest $(PYTEST)

setup: .venv/ready  ## the virtual environment with the command `abtest`
setup-dev: .venv/ready-dev  ## the same with the tools for development

.venv/python: requirements-bootstrap.txt
	@for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then echo "abtest needs Python 3.11, 3.12 or 3.13 with venv on the PATH; or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	"$$found" -m venv --clear .venv; \
	$(BIN)/python -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt; \
	touch $@

.venv/ready: .venv/python requirements.txt pyproject.toml
	@$(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

check: lint types imports synth  ## everything that needs no running stack

lint: setup-dev  ## ruff: rules and format
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)

types: setup-dev  ## mypy, strict
	@$(BIN)/mypy

imports: setup-dev  ## imports run one way
	@$(BIN)/lint-imports

format: setup-dev  ## format and mend what ruff can mend
	@$(BIN)/ruff check --fix-only $(CODE)
	@$(BIN)/ruff format $(CODE)

layers: setup-dev  ## the Lambda layers, without Docker
	@$(BIN)/python -m infra.layers

synth: setup-dev  ## CloudFormation of every environment, with no AWS call
	@$(BIN)/python app.py --environment all

bench-run: setup-dev  ## a run of 2,000 calls against a bare client loop
	@exec $(BIN)/python tests/benchmarks/bench_run.py

bench-providers: setup-dev  ## the calls of one worker against a bare client loop, by wire format
	@exec $(BIN)/python tests/benchmarks/bench_providers.py

bench-judges: setup-dev  ## every judge in code over 100,000 responses
	@exec $(BIN)/python tests/benchmarks/bench_judges.py

bench-analytics: setup-dev  ## the statistics of a million pairs against plain ways to them
	@exec $(BIN)/python tests/benchmarks/bench_analytics.py

COMPILE := $(UV) pip compile --quiet --generate-hashes --no-cache --custom-compile-command "make requirements"
requirements: .venv/python  ## compile every requirement file anew, with hashes
	@echo "uv" | $(COMPILE) --universal --python-version 3.11 - -o requirements-bootstrap.txt
	@$(COMPILE) pyproject.toml --group local --universal --python-version 3.11 -o requirements.txt
	@$(COMPILE) pyproject.toml --group local --group dev --universal --python-version 3.11 -c requirements.txt -o requirements-dev.txt
	@$(BIN)/python -m infra.layers --compile

clean:  ## remove everything that was built or installed here
	@if [ -x $(BIN)/abtest ]; then $(BIN)/abtest down || true; fi
	@rm -rf .venv .build .abtest cdk.out* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
