# Daily work on horizontal.scaling. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
ENV := source tests/lab/environment.sh &&
SCENARIO ?= lab

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what the tools need: packages, a virtual environment, collections
	@tests/lab/setup.sh

.PHONY: demo
demo: setup ## Show it: a platform in the lab, a rollout under load, a report in build/report.html
	@tests/demo.sh

.PHONY: test
test: setup ## Run everything that checks the project, with the time of each stage
	@tests/run_stages.sh

.PHONY: lint
lint: setup ## Run the linters
	@tests/run_stages.sh lint

.PHONY: unit
unit: setup ## Run the unit tests
	@$(ENV) python -m pytest

.PHONY: sanity
sanity: setup ## Run ansible-test sanity and the unit tests on both ends of the ansible-core range
	@tests/run_stages.sh cores

.PHONY: molecule
molecule: setup ## Run one scenario: make molecule SCENARIO=service
	@tests/run_stages.sh "molecule-$(SCENARIO)"

.PHONY: bench
bench: setup ## Measure against peers, and write docs/benchmarks.md
	@tests/bench/run.sh

.PHONY: lab
lab: setup ## Create the lab's hosts and keep them (make clean removes them)
	@$(ENV) ansible-playbook tests/lab/create.yml

.PHONY: docs
docs: setup ## Write the roles' README files from their argument specs
	@$(ENV) python docs/generate_role_readmes.py

.PHONY: clean
clean: ## Remove the lab's hosts and the files that were built
	@$(ENV) if command -v ansible-playbook >/dev/null; then ansible-playbook tests/lab/destroy.yml; fi
	@rm -rf build
