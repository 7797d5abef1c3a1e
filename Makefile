# Every target does its own set-up: `make repro` and `make test` work on a fresh clone.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
EXTRAS := pipeline s3 gs train probes explore versions versions-s3
# uv from the PATH where there is one, else one of our own, from the package registry and pinned by hash.
UV := $(shell command -v uv || echo $(VENV)-uv/bin/uv)
# The virtual environment first, so that the stages of dvc.yaml find its python, dvc and accelerate.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# What the stages and the tests import: imported once, two at a time, so that each has its bytecode from the start. To have
# uv compile all packages would take five times as long.
STARTED := pipeline.run.job train.run probes.report.page dvc.repo
# Each stage would compile torch, transformers and Beam anew where the environment forbids bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: axe help setup eval notebook explore warm repro check-repro test test-slow chaos flink flink-two-hosts lint format lock corpus clean

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv with every dependency, pinned by hash
	@echo "To use what is in $(VENV) from this shell: source $(VENV)/bin/activate"

$(READY): requirements.lock pyproject.toml $(if $(filter $(VENV)-uv/%,$(UV)),$(UV))
	$(UV) venv --quiet --allow-existing --python '>=3.11' $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --editable .
	printf '%s\n' $(STARTED) | xargs -P 2 -I MODULE python -c 'import logging; logging.disable(); import MODULE'
	touch $@

$(VENV)-uv/bin/uv: requirements-uv.lock
	$(PYTHON) -m venv $(VENV)-uv || { echo "make: python3 with its venv module is needed (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(VENV)-uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	touch $@

warm: $(READY) ## compile the cleaner of wikitext now (25 to 45 s), which the first run on a large dump would do
	@python -c 'from pipeline.prose.fast_path import compiled; compiled()'

repro: $(READY) ## the main job on the bundled corpus: from dump to report/index.html
	@wikilm repro

check-repro: $(READY) ## whether what `make repro` made is what it must be
	@python -m pytest -m repro tests/flows/test_repro.py tests/flows/test_tutorial.py

test: $(READY) ## the tests, side by side
	@UV="$(UV)" python -m pytest --numprocesses auto --dist worksteal

test-slow: $(READY) ## the longer tests: Flink clusters, which need Java 17, Maven and, for two hosts, root
	@UV="$(UV)" python -m pytest --numprocesses auto --dist loadgroup -m slow

axe: ## axe-core from the npm registry, by which the slow tests check the report for readers of every kind
	npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix .axe axe-core@4.11.0

chaos: $(READY) ## kill runs and trainings and flip bits, and count what came of it; SEED=0 KILLS=20 FLIPS=200
	@python -m tests.flows.chaos --seed $(or $(SEED),0) --kills $(or $(KILLS),20) --flips $(or $(FLIPS),200)
	python -m train.prove_resume --preset tiny --seed $(or $(SEED),0) --kills $(or $(KILLS),20)

flink: $(READY) ## the corpus, and SOURCE=dump, through a Flink cluster on this machine: the same bytes as without
	@UV="$(UV)" python -m launch.flink --source corpus/miniwiki-pages-articles-multistream.xml.bz2 $(foreach s,$(SOURCE),--source $(s))

flink-two-hosts: $(READY) ## the same on two hosts made of network namespaces, one killed in the middle (root)
	@UV="$(UV)" python -m launch.flink.two_hosts $(foreach s,$(SOURCE),--source $(s))
	UV="$(UV)" python -m launch.flink.two_hosts --no-restart $(foreach s,$(SOURCE),--source $(s))

eval: $(READY) requirements-eval.lock ## add EleutherAI's lm-eval to .venv (docs/training.md)
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --require-hashes -r requirements-eval.lock

notebook: $(READY) requirements-notebook.lock ## open docs/tutorial.ipynb in JupyterLab, which it adds to .venv; after `make repro`
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --require-hashes -r requirements-notebook.lock
	jupyter lab docs/tutorial.ipynb

explore: $(READY) ## a local page to ask the models of `make repro` on, http://127.0.0.1:8765; PORT=N for another
	@python -m probes explore --model models/causal --model models/masked --shards data/shards --index data/index $(if $(PORT),--port $(PORT))

lint: $(READY) ## style, types, and who may import what
	@ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo --no-cache

format: $(READY) ## mend the style
	@ruff check --fix .
	ruff format .

corpus: $(READY) ## pack the bundled corpus again from its pages
	@python -m corpus.build

lock: $(VENV)-uv/bin/uv ## choose the newest versions that go together, and write their hashes down
	@compile=($(VENV)-uv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header pyproject.toml)
	"$${compile[@]}" --upgrade --group dev $(addprefix --extra ,$(EXTRAS)) --output-file requirements.lock
	# What lm-eval, the trackers and the notebook need beside those; MLflow wants an older importlib-metadata.
	locked=$$(mktemp); trap 'rm -f $$locked' EXIT
	for extra in eval trackers notebook; do
		sed -nE 's/^([A-Za-z0-9._-]+==.*) \\$$/\1/p' requirements.lock | { [ $$extra = eval ] && cat || grep -v ^importlib-metadata; } > $$locked
		"$${compile[@]}" --extra $$extra --constraints $$locked --output-file requirements-$$extra.lock \
			$$(sed -E 's/==.*//; s/^/--no-emit-package /' $$locked)
	done

clean: ## remove what the commands above made, but for DVC's cache
	@rm -rf $(VENV) $(VENV)-uv data models runs results report/index.html dvc_plots .pytest_cache .mypy_cache .ruff_cache .hypothesis
