# `make demo` and `make test` work in a fresh clone, without any step before them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# A name on PATH may be a broken shim, so the first name that runs is chosen.
runs = $(firstword $(foreach name,$(1),$(if $(shell $(name) -c $(NEEDED) 2>/dev/null && echo yes),$(name))))
NEEDED := 'import venv, ensurepip, sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))'
PYTHON ?= $(call runs,python3.11 python3.12 python3.10 python3.13 python3)
# One more than the two cores of CI: tests wait for processes, servers and browsers.
WORKERS ?= 3

# Without bytecode, each of the hundreds of processes that tests start would compile the project's modules.
export PYTHONDONTWRITEBYTECODE :=

IMAGE ?= airbyte/source-amocrm:dev
export WAREHOUSE_IMAGE ?= source-amocrm-warehouse:dev
BASE_IMAGE ?= python:3.11-slim

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

demo: .venv/.ready ## an amoCRM account on this machine, read into demo/amocrm-demo.duckdb, and a report of it; again: only what changed
	@.venv/bin/python -m demo $(into) $(DEMO)

# in single quotes, as a name may hold characters that are special to a shell
quoted = '$(subst ','\'',$(1))'
into = $(if $(PROJECT),--project $(call quoted,$(PROJECT)))
built = $(into) $(if $(SCHEMA),--schema $(call quoted,$(SCHEMA))) $(plans)
plans = $(if $(PLANS),--plans $(call quoted,$(PLANS)))
# DB may hold a password, and every user of the machine sees command lines: it goes by the environment
export DB ACCOUNTS PERIOD STREAMS

sync: needs-config .venv/.ready ## source-amocrm sync, and the report: make sync CONFIG=config.json [PROJECT=1001] [DB=duckdb:///amocrm.duckdb or postgresql://…] [STREAMS=deals,users] [REPORT=no]
	@.venv/bin/source-amocrm sync $(if $(filter no,$(REPORT)),,$(strip --report $(plans))) --config $(call quoted,$(CONFIG)) $(into) $(if $(STREAMS),--streams $(call quoted,$(STREAMS)))

needs-config:
	@test -f $(call quoted,$(CONFIG)) || { echo 'make sync needs the config: make sync CONFIG=path/to/config.json (README, "Your account")' >&2; exit 2; }

models: .venv/.ready ## source-amocrm models, tables made into answers: make models [PROJECT=1001,1002] [DB=…] [SCHEMA=…] [PLANS=plans.csv]
	@.venv/bin/source-amocrm models $(built)

report: .venv/.ready ## source-amocrm report, models and one HTML file that shows them: make report [PROJECT=1001,1002] [DB=…] [SCHEMA=…] [PLANS=plans.csv] [COSTS=costs.csv] [OUT=report.html] [XLSX=report.xlsx]
	@.venv/bin/source-amocrm report $(built) $(if $(OUT),--out $(call quoted,$(OUT))) $(if $(COSTS),--costs $(call quoted,$(COSTS))) $(if $(XLSX),--xlsx $(call quoted,$(XLSX)))

fleet: .venv/.ready ## source-amocrm fleet dagster, a folder of accounts: make fleet [ACCOUNTS=accounts] [DB=…] [PERIOD=60]
	@.venv/bin/source-amocrm fleet dagster $(if $(ACCOUNTS),--accounts $(call quoted,$(ACCOUNTS)))

setup: .venv/.ready ## source-amocrm in .venv, with all that its commands need

# Types are checked beside the tests: one process, where the machine has several cores.
test: ## linters, types, and the tests that prove each part once, in ten minutes
	@$(MAKE) --no-print-directory --jobs=3 lint types unit

test-all: ## linters, types and every test but those of the image, in half an hour
	@$(MAKE) --no-print-directory --jobs=2 system-packages lint types .venv-platforms/.ready .venv-superset/.ready
	.venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not image_tests"

lint: .venv/.ready ## ruff, import-linter, hadolint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-logo
	.venv/bin/hadolint Dockerfile

types: .venv/.ready .venv-apart/.ready ## mypy --strict
	.venv-apart/bin/mypy --python-executable .venv/bin/python

# What proves each part once: the connector, the sync, the marts, their page and the assistant, verify, and a day of all.
PARTS := acceptance schedules exact_* hostile_rows births newest_reading oauth_sync chats resumed_requests command_line \
  destinations sync_function models statement_guard verified_tables year_*

unit: system-packages .venv/.ready .venv-apart/.ready ## the tests of single modules, and of each part
	.venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PARTS:%=integration_tests/test_%.py) unit_tests

fast: .venv/.ready ## the tests of single modules, in three minutes
	.venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder unit_tests

bench: .venv/.ready ## figures against the floor (half an hour): make bench; a minute: make bench QUICK=1; some: make bench ONLY="deals cost"
	@.venv/bin/python -m benchmarks $(if $(QUICK),--quick) $(ONLY)

peers: .venv/.ready .venv-apart/.ready ## public clients and connectors of amoCRM beside this one, in an account in which people work (needs the network)
	@.venv/bin/python -m benchmarks.peers $(CONNECTORS)
CONNECTORS := https://github.com

image: ## the Docker image $(IMAGE)
	docker build --build-arg BASE_IMAGE=$(BASE_IMAGE) -t $(IMAGE) .

image-warehouse: ## the image with sync, models, report and publish, $(WAREHOUSE_IMAGE)
	docker build --build-arg BASE_IMAGE=$(BASE_IMAGE) --target warehouse -t $(WAREHOUSE_IMAGE) .

image-test: .venv/.ready ## tests against both images, Airbyte's own included
	.venv/bin/pytest -m image_tests --connector-image $(IMAGE) integration_tests/test_airbyte_standards.py integration_tests/test_image.py integration_tests/test_image_guides.py integration_tests/test_image_warehouse.py

docs: .venv/.ready ## the generated parts of docs/
	.venv/bin/python -m docs.dictionary
	.venv/bin/python -m docs.relations
	.venv/bin/python -m docs.describe_models
	.venv/bin/python -m docs.semantic_layer
	.venv/bin/python -m docs.formulas
	.venv/bin/python -m docs.assurance
	.venv/bin/python -m docs.verify_picture

audit: .venv-apart/.ready ## known vulnerabilities in what the image installs (needs the network)
	UV=.venv/bin/uv .ci/image-requirements >.venv-apart/image.txt
	.venv-apart/bin/pip-audit --strict --disable-pip --require-hashes --no-deps $(NOT_REACHED) -r .venv-apart/image.txt
# CVE-2025-9375: concerns xmltodict's writing of XML, which this connector never does; the CDK requires xmltodict <0.15.
NOT_REACHED := --ignore-vuln CVE-2025-9375

lock: .venv/bin/uv ## uv.lock again, from pyproject.toml, and what Superset needs (needs the network); with newer versions: make lock UPGRADE=--upgrade
	.venv/bin/uv lock $(UPGRADE)
	.venv/bin/uv pip compile --quiet $(UPGRADE) --universal --generate-hashes --no-annotate --no-header --python-version 3.10 .ci/superset.in -o .ci/superset.txt

dist: .venv/.ready ## the sdist, and the wheel that is built from it, in dist/
	.venv/bin/uv build --quiet --no-build-isolation --python .venv/bin/python

clean: ## what make made, the demo's database and its account included
	rm -rf .venv .venv-* build dist *.egg-info demo/state demo/amocrm-demo.duckdb demo/amocrm-demo.duckdb.wal demo/*-report.html

# Fills the environment $(1) with what uv.lock holds for the options $(2). uv installs in seconds, pip in a minute. Behind
# a mirror that only pip's settings name, uv fails and pip installs. Hundreds of processes import from .venv, so it
# is compiled at once.
define filled
@test -x $(1)/bin/pip || $(PYTHON) -m venv $(1)
@.venv/bin/uv export --quiet --frozen --python $(1)/bin/python --no-emit-project --no-annotate $(2) -o $(1)/requirements.txt
@.venv/bin/uv pip install --quiet $(if $(filter .venv,$(1)),--compile-bytecode) --python $(1)/bin/python --no-deps --require-hashes -r $(1)/requirements.txt \
  || $(1)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(1)/requirements.txt
endef

.venv/bin/uv: .ci/uv.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.10 to 3.13 with venv found. Debian: apt-get install python3-venv. Or: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .ci/uv.txt
	@touch $@

.venv/.ready: .venv/bin/uv uv.lock pyproject.toml
	@echo "Setting up .venv: source-amocrm with its extras, and the tests (a minute or two, once)"
	$(call filled,.venv,)
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv-apart/.ready: .venv/bin/uv uv.lock
	@echo "Setting up .venv-apart: mypy and PyAirbyte, which need other versions (about a minute, once)"
	$(call filled,.venv-apart,--only-group apart)
	@touch $@

.venv-platforms/.ready: .venv/bin/uv uv.lock
	@echo "Setting up .venv-platforms: Airflow and Spark, which need other versions (two minutes, once)"
	$(call filled,.venv-platforms,--only-group platforms)
	@touch $@

.venv-superset/.ready: .venv/bin/uv .ci/superset.txt
	@echo "Setting up .venv-superset: Apache Superset, which needs other versions (a minute, once)"
	@test -x .venv-superset/bin/pip || $(PYTHON) -m venv .venv-superset
	@.venv/bin/uv pip install --quiet --python .venv-superset/bin/python --no-deps --require-hashes -r .ci/superset.txt \
	  || .venv-superset/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .ci/superset.txt
	@touch $@

# A failure is ignored: the tests say which package is missing.
system-packages: ## what the tests need of Debian, as root; leaves other machines as they are (so does SYSTEM_PACKAGES=no)
	-@.ci/system-packages tests

screenshots: system-packages demo ## the pictures in docs/images, by the tests of the pages
	SCREENSHOTS=docs/images .venv/bin/pytest integration_tests/test_connect_browser.py integration_tests/test_report.py -k pictures

.PHONY: help setup demo fleet sync needs-config models report test test-all lint types unit fast bench peers image image-warehouse image-test docs audit lock dist clean system-packages screenshots
