# The commands of this repository. `make` lists them.
# uv is installed into .tools/ on first use; Go programs of the throw-away cluster are built once per user.

SHELL := /bin/bash -euo pipefail
UV := .tools/bin/uv
RUN := $(UV) run --frozen
MKDOCS := NO_MKDOCS_2_WARNING=1 $(UV) run --quiet --frozen --isolated --only-group docs mkdocs
PYTHON ?= python3
ARGS ?=
IMAGE ?= containerapp-operator:dev
BASE_TAG ?= public.ecr.aws/docker/library/python:3.13-slim
BASE_IMAGE ?= $(shell sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
SOURCE ?=
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
WHEELS_PYTHON ?= 3.13
WHEELS_MACHINE ?= $(shell uname -m)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV): requirements/tools.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.13"; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet --require-hashes --requirement requirements/tools.txt
	@touch $(UV)

.venv: $(UV) pyproject.toml uv.lock
	$(UV) sync --frozen --quiet
	@touch .venv

.PHONY: setup
setup: .venv ## install what development needs, into .venv

.PHONY: demo
demo: .venv ## build, install and open the sample application on a throw-away cluster (ARGS=--once checks it and ends)
	$(RUN) python -m examples.demo $(ARGS)

.PHONY: test
test: check unit programs ## everything: static checks, then all tests; those on a real node, and the demo, last
	$(RUN) python -m pytest -m "not node and not long" --numprocesses=3 --dist=loadfile \
	  $(addprefix --ignore=tests/,unit property controller)
	$(RUN) python -m pytest -m "not node and not long" --numprocesses=3 --dist=loadfile tests/controller
	$(RUN) python -m pytest -m "node and not long"

.PHONY: proofs
proofs: programs ## the tests that take minutes each: the demo on kind, apps under load on real nodes
	$(RUN) python -m pytest -m long

.PHONY: programs
programs: .venv ## fetch what the throw-away cluster consists of, or build it (17 minutes on 2 cores), once
	$(RUN) python -m devcluster build

.PHONY: unit
unit: .venv ## the tests of what decides, which must cover every branch of it
	$(RUN) coverage erase
	$(RUN) coverage run -m pytest --numprocesses=2 tests/unit tests/property
	$(RUN) coverage combine --quiet
	$(RUN) coverage report

.PHONY: fuzz
fuzz: .venv ## coverage-guided fuzzing of every parser of foreign input (ARGS="--executions 1000000")
	$(RUN) --with atheris==3.0.0 python -m tests.fuzz $(ARGS)

.PHONY: check
check: .venv ## linters, types, architecture, generated files
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(UV) lock --check --quiet

KINDS := containerapp containerjob

.PHONY: generate
generate: .venv ## write the definition, the chart's copy of it and the field reference from the models
	for kind in $(KINDS); do \
	  $(RUN) containerapp crd $$kind > crds/containerapp.dev_$${kind}s.yaml && \
	  $(RUN) containerapp crd $$kind --reference > docs/reference/$$kind.md || exit 1; \
	done
	cp crds/*.yaml charts/containerapp-operator/files/crds/
	$(RUN) containerapp rules > charts/containerapp-operator/files/rules.yaml

.PHONY: bench
bench: .venv ## measure the operator against the floor (ARGS="--apps 5000")
	$(RUN) python -m benchmarks $(ARGS)

.PHONY: chaos
chaos: .venv ## users and faults at the same time, then a checker (ARGS="--seeds 1-20 --minutes 30")
	$(RUN) python -m tests.chaos $(ARGS)

.PHONY: endurance
endurance: .venv ## one proof of endurance (ARGS="kills", outages, standby, neighbours or leaks)
	$(RUN) python -m tests.endurance $(ARGS)

.PHONY: format
format: .venv ## format the code, fix what the linter can
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

.PHONY: docs
docs: $(UV) ## build the documentation as a site in build/docs; a broken link fails
	$(MKDOCS) build --strict $(ARGS)

.PHONY: docs-serve
docs-serve: $(UV) ## show the documentation at http://127.0.0.1:8000, rebuilt when a page changes, until Ctrl-C
	$(MKDOCS) serve --strict $(ARGS)

.PHONY: cluster
cluster: .venv ## a throw-away cluster, held until Ctrl-C (ARGS="--nodes real")
	$(RUN) python -m devcluster up $(ARGS)

.PHONY: wheels
wheels: $(UV) ## collect the wheels of the operator's image in build/wheels
	rm -rf build/wheels
	mkdir -p build/wheels
	$(UV) export --frozen --no-dev --no-emit-project --quiet --output-file build/wheels/requirements.txt
	.tools/bin/pip download --quiet --only-binary :all: --implementation cp --python-version $(WHEELS_PYTHON) \
	  --platform manylinux2014_$(WHEELS_MACHINE) --platform manylinux_2_28_$(WHEELS_MACHINE) --no-deps \
	  --require-hashes --requirement build/wheels/requirements.txt --dest build/wheels
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(UV) build --quiet --wheel --out-dir build/wheels \
	  --build-constraints requirements/build.txt --require-hashes
	cp LICENSE NOTICE build/wheels/

.PHONY: image
image: wheels .venv ## build the operator's image, reproducibly (IMAGE=…, BASE_IMAGE=…, WHEELS_PYTHON=…, SOURCE=…)
	docker image inspect $(BASE_IMAGE) > /dev/null 2>&1 || docker pull --quiet $(BASE_IMAGE)
	docker build --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$(REVISION) --build-arg SOURCE=$(SOURCE) --tag $(IMAGE) .
	$(RUN) python -m release image $(IMAGE) --base $(BASE_IMAGE) --epoch $(SOURCE_DATE_EPOCH)

.PHONY: base
base: ## move the image's base to what BASE_TAG stands for now, in the Dockerfile
	docker pull --quiet $(BASE_TAG)
	digest=$$(docker image inspect --format '{{index .RepoDigests 0}}' $(BASE_TAG)) && \
	  sed -i "s|^ARG BASE_IMAGE=.*|ARG BASE_IMAGE=$(BASE_TAG)@$${digest#*@}|" Dockerfile
	grep '^ARG BASE_IMAGE=' Dockerfile

.PHONY: sbom
sbom: .venv ## write what the image holds of others into build/sbom.json (CycloneDX)
	mkdir -p build
	$(RUN) python -m release sbom $(UV) > build/sbom.json

.PHONY: notice
notice: .venv ## write the licences of what the image holds of others into NOTICE
	$(RUN) python -m release notice $(UV) > NOTICE

.PHONY: tools
tools: $(UV) ## move the build tools to their newest versions, with their hashes
	echo uv | $(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-header - > requirements/tools.new
	echo 'hatchling>=1.27' | $(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-header \
	  --python-version 3.11 - > requirements/build.txt
	mv requirements/tools.new requirements/tools.txt

.PHONY: clean
clean: ## remove what was built here; the cache of programs stays (python -m devcluster clean)
	rm -rf .venv .tools build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
