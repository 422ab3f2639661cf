# Every target works on a fresh machine that has Python 3.12, make and a C library.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
UV_VERSION := 0.13.9
export DAGSTER_HOME ?= $(CURDIR)/.dagster

help: ## Show this list
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: .venv/installed ## Make .venv with exactly the packages of requirements.lock

.venv/installed: requirements.lock pyproject.toml
	@python=$$(for p in python3.12 python3 python; do \
	  $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null && echo $$p && break; \
	done) || { echo "Python 3.12 is needed: no python3.12, python3 or python here is it." >&2; exit 1; }; \
	$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null \
	  || { rm -rf .venv && $$python -m venv .venv; }
	@echo "Installing the packages of requirements.lock into .venv; the first time takes minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: venv ## Simulate a season, run it, catch up two late fields, explain what happened
	@$(BIN)/hydro demo

test: venv ## Run the tests (ARGS="tests/test_days.py" for some of them)
	@$(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 4 --dist loadfile $(ARGS)

test-slow: venv ## Run the heavy tests: every fault on every operation, kills, and more
	@$(BIN)/python -m pytest -m slow --timeout=1800 -n logical --maxprocesses 2 --dist loadfile $(ARGS)

bench: venv ## Measure speed and memory (ARGS="season daily --repeat 1" for some cases)
	@$(BIN)/python -m benchmarks $(ARGS)

mutants: venv ## List the changes that no test notices; takes hours (ARGS="hydro_pipeline/scenes")
	@$(BIN)/python tests/mutants.py $(ARGS)

lint: venv ## Check style, types and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: venv ## Mend what the style check can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

pictures: venv ## Draw the pictures of the README from the data of the demo
	@$(BIN)/python notebooks/pictures.py
	@$(BIN)/python notebooks/report_picture.py

ui: venv ## Open the Dagster UI on http://127.0.0.1:3000 (on the demo, until there is an own area)
	@mkdir -p $(DAGSTER_HOME)
	@[ -e $(DAGSTER_HOME)/dagster.yaml ] || cp hydro_pipeline/defs/dagster.yaml $(DAGSTER_HOME)
	@if [ -z "$$HYDRO_ROOT" ] && [ ! -e hydro-data/inputs ] && [ -e hydro-data/demo.env ]; then \
	  echo "No area of your own yet: this is the demo's data (hydro-data/demo.env)."; \
	  source hydro-data/demo.env; \
	fi; \
	VIRTUAL_ENV=$(CURDIR)/.venv PATH="$(CURDIR)/$(BIN):$$PATH" dg dev

clean: ## Remove .venv and caches; data stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help venv demo test test-slow mutants bench lint format pictures ui clean

# Kubernetes; see "Deploy" in the README.
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
CLUSTER ?= hydro
NAMESPACE ?= hydro
UI_PORT ?= 3001

image: ## Build the image in the minikube cluster, or push it: REGISTRY=example.org/team/
ifdef REGISTRY
	docker build --tag $(REGISTRY)hydro-pipeline:$(TAG) .
	docker push $(REGISTRY)hydro-pipeline:$(TAG)
else
	minikube --profile $(CLUSTER) image build --tag hydro-pipeline:$(TAG) .
endif

up: ## Make the cluster and everything in it (ARGS="-auto-approve" asks nothing)
	terraform -chdir=terraform init -input=false
	terraform -chdir=terraform apply $(ARGS)

down: ## Destroy the cluster and everything in it, data too
	terraform -chdir=terraform destroy $(ARGS)

ui-k8s: ## Bring the Dagster UI of a cluster to this machine (CONTEXT, NAMESPACE, UI_PORT)
	@echo "The Dagster UI is on http://127.0.0.1:$(UI_PORT) until you press Ctrl-C."
	@kubectl --context $(or $(CONTEXT),$(CLUSTER)) --namespace $(NAMESPACE) \
	  port-forward service/dagster-ui $(UI_PORT):3000

.PHONY: image up down ui-k8s
