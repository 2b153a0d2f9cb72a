# `make help` lists the targets. Every target creates the environment that it needs.

VENV ?= .venv
TRITON_VENV ?= .venv-triton
TOOLS ?= .venv-tools
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
# Platforms where the real Triton can be embedded, in its own environment: it needs numpy 1.26.
TRITON_HERE := $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m))

DISTRIBUTIONS := pyproject.toml services/pyproject.toml training/pyproject.toml

.PHONY: help demo test test-triton check format lint types imports proto-lint wheels wheels-client wheels-serve \
	wheels-train bench figures observe dashboard-check proxy-check fuzz chaos soak capacity image-check pin-images lock sbom audit clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1|/' | awk -F'|' '{printf "  %-16s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## reconstruct a bundled talking head, half of its frames forecast; writes out/demo/
	$(BIN)/motioncast demo

test: $(VENV)/.dev $(if $(TRITON_HERE),$(TRITON_VENV)/.dev) ## run every test
	$(BIN)/python -m pytest
	$(if $(TRITON_HERE),$(MAKE) --no-print-directory test-triton)

test-triton: $(TRITON_VENV)/.dev ## run the tests that need the real Triton
	$(TRITON_VENV)/bin/python -m pytest tests/integration/triton
	$(TRITON_VENV)/bin/python -m pytest tests/conformance -k triton

check: lint types imports proto-lint ## lint, types, import arrows, contract

lint: $(VENV)/.dev ## ruff, rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

imports: $(VENV)/.dev ## import-linter
	$(BIN)/lint-imports

proto-lint: node_modules/.bin/buf ## buf lint
	node_modules/.bin/buf lint

wheels: $(VENV)/.dev ## build the wheels and try them in empty environments, all extras
	$(BIN)/python .ci/wheels.py

wheels-client wheels-serve wheels-train: wheels-%: $(VENV)/.dev
	$(BIN)/python .ci/wheels.py $*

bench: $(VENV)/.demo ## throughput and latency of the whole gRPC path on this machine
	$(BIN)/motioncast bench

figures: $(VENV)/.dev ## rerun the short benchmarks, or FIGURES="NAME ..." (DATA=videos), and rewrite the documents' tables of figures
	PYTHONPATH=docs $(BIN)/python -m figures $(or $(FIGURES),--measure) $(if $(DATA),--data $(DATA)) $(if $(VAR),--var $(VAR))

observe: $(VENV)/.dev ## run the services under a light load, with Prometheus, Grafana and Triton if installed; prints URLs
	@TRITON_VENV=$(TRITON_VENV) $(BIN)/python deploy/observe.py

dashboard-check: $(VENV)/.dev ## run every query of dashboards and rules once against a real Prometheus
	promtool check config deploy/prometheus/prometheus.yml
	TRITON_VENV=$(TRITON_VENV) $(BIN)/python deploy/check_dashboard.py

proxy-check: $(VENV)/.dev ## stream through a real Envoy, when there is one, to two orchestrators
	$(BIN)/python deploy/check_proxy.py

fuzz: $(VENV)/.dev $(if $(TRITON_HERE),.venv-fuzz/.dev) ## attack what is read from outside; MINUTES=10 of a core each, TARGETS="wire image"
	PYTHONPATH=tests:.venv-fuzz $(BIN)/python -m fuzz $(TARGETS) --minutes $(or $(MINUTES),10) $(if $(JSON),--json $(JSON))

chaos: $(VENV)/.dev ## break processes, connections, disks and models under sessions; MINUTES=10 SEED=0
	PYTHONPATH=tests $(BIN)/python -m chaos --minutes $(or $(MINUTES),10) --seed $(or $(SEED),0) $(if $(JSON),--json $(JSON))

soak: $(VENV)/.dev ## sessions come and go for MINUTES=60: how fast memory grows
	PYTHONPATH=tests $(BIN)/python -m chaos.soak --minutes $(or $(MINUTES),60) $(if $(JSON),--json $(JSON))

capacity: $(VENV)/.dev ## measure the cost of frames and sessions, and predict a run; needs a quiet machine
	PYTHONPATH=tests:docs $(BIN)/python -m capacity --json docs/figures/measured/capacity_lite128.json

image-check: $(VENV)/.dev ## build what the image holds and run its entry points, without Docker
	$(BIN)/python deploy/check_image.py

pin-images: ## look up the digests of third-party images; needs their registries
	$(PYTHON) deploy/pin_images.py

lock: $(TOOLS)/.ready ## write requirements/*.txt: what constraints.txt fixes, with hashes
	PATH="$(abspath $(TOOLS))/bin:$$PATH" $(PYTHON) .ci/lock.py

sbom: $(VENV)/.dev $(TOOLS)/.ready ## write out/sbom/image.cdx.json: the parts of the image (CycloneDX)
	PATH="$(abspath $(TOOLS))/bin:$$PATH" $(BIN)/python deploy/check_image.py --sbom out/sbom/image.cdx.json

audit: $(TOOLS)/.ready ## look for known vulnerabilities in the pinned packages; needs PyPI's data
	$(TOOLS)/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements/hashes.txt

clean: ## remove what was built, environment included
	rm -rf $(VENV) $(TRITON_VENV) .venv-fuzz node_modules dist out .mypy_cache .pytest_cache .ruff_cache
	find proto \( -name '*_pb2*.py' -o -name '*_pb2*.pyi' \) -delete

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=24'

$(VENV)/.demo: $(DISTRIBUTIONS) constraints.txt $(wildcard proto/motioncast/v1/*.proto) | $(BIN)/python
	$(PIP) --editable '.[cli,device,serve]' --editable services
	@touch $@

$(VENV)/.dev: $(DISTRIBUTIONS) constraints.txt $(wildcard proto/motioncast/v1/*.proto) | $(BIN)/python
	$(PIP) --editable '.[dev]' --editable services --editable training
	@touch $@ $(VENV)/.demo

$(TRITON_VENV)/.dev: $(DISTRIBUTIONS) constraints.txt $(wildcard proto/motioncast/v1/*.proto)
	$(PYTHON) -m venv $(TRITON_VENV)
	$(TRITON_VENV)/bin/python -m pip install --quiet --upgrade 'pip>=24'
	sed 's/^numpy==.*/numpy==1.26.4/' constraints.txt > $(TRITON_VENV)/constraints.txt
	$(TRITON_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $(TRITON_VENV)/constraints.txt \
		--editable '.[cli,triton]' --editable services hypothesis onnx pytest pytest-asyncio
	$(TRITON_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable training
	@touch $@

.venv-fuzz/.dev: | $(VENV)/.dev # libFuzzer for Python: in a separate folder, so that nothing else imports it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .venv-fuzz atheris==3.0.0
	@touch $@

$(TOOLS)/.ready: requirements/tools.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

node_modules/.bin/buf: package.json package-lock.json
	npm ci --no-fund --no-audit
	@touch $@
