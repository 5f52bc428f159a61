# Two commands: `make run` and `make test`. Everything they need goes into .venv.
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
VLLM := .venv-vllm
ENVS := .venv-envs
PIP_VERSION := 26.3
TARGETS ?=
ARCHIVE ?= results/archive/latest.zip
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run try check probe study compare why explain cluster cost archive verify test test-long
.PHONY: test-servers test-slurm lint vllm test-vllm test-envs docs pictures clean

help:
	@echo "make run      set up .venv, run the default workflow, print a summary (TARGETS=, ARGS=)"
	@echo "make try MODEL=/data/model   the six model studies on your model, small (folder, .gguf, owner/name@revision)"
	@echo "make try      without MODEL: make run in trial/, beside the main results (TARGETS=, ARGS=\"--configfile my.yaml\")"
	@echo "make study    the skeleton of a new study (NAME=my_study PAPER=2401.00001)"
	@echo "make check    check config.yaml as changed by other files (CONFIG=my.yaml)"
	@echo "make probe MODEL=name   what the server of a model does (ARGS=\"--configfile my.yaml\")"
	@echo "make explain  why each job would run, one line per job (ARGS= for snakemake's arguments)"
	@echo "make compare  two runs side by side: equal, within their intervals, apart (RUNS=\"folder folder\")"
	@echo "make why      what decides a claim: rows of scores, figures, lines of code (CLAIM=glasses-G7a)"
	@echo "make cluster  run on a Slurm cluster, or resume after an interruption (ARGS=)"
	@echo "make cost     what a run would need: prompts, tokens and hours (ARGS=)"
	@echo "make archive  results/archive/: the run as one zip, for publication"
	@echo "make verify   check an archive and replay part of it (ARCHIVE=file.zip)"
	@echo "make test     set up .venv, then run the tests"
	@echo "make test-servers  set up .venv, then run the tests with llama.cpp's server and a real model"
	@echo "make test-long  a real model, six architectures and simulated recoveries (10 minutes)"
	@echo "make test-slurm  as root, with slurm-wlm and munge: the tests on a local Slurm"
	@echo "make lint     formatters, linters, type checker, docstrings, dead code"
	@echo "make docs     site/index.html: the documentation as one searchable site that opens offline"
	@echo "make vllm     set up .venv-vllm: vLLM for CPUs, for models with engine vllm"
	@echo "make test-vllm  set up both, then run the tests that need vLLM"
	@echo "make test-envs  each rule in its own environment (20 minutes, 8 GB); with conda also conda environments"
	@echo "make clean    remove .venv, .venv-vllm and .venv-envs (results stay)"

setup: .venv/run.stamp

docs: .venv/docs.stamp
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "documentation: site/index.html"

# From the results of a default run: the pictures of the README, the gallery, the studies' results.
pictures: setup
	@$(BIN)/python docs/pictures.py stages && $(BIN)/python docs/pictures.py run
	@$(BIN)/python docs/gallery.py

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Faultlines needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 14))' \
		|| echo "Python 3.14: TensorFlow 2.20, which dm-clrs needs, has no wheel; use PYTHON=python3.13"
	@echo "== creating .venv"
	@$(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "python3 -m venv failed: apt install python3-venv"; exit 1; }

.venv/pip.stamp: .venv/bin/python
	@echo "== upgrading pip (dependency groups need 25.1 or newer)"
	@$(BIN)/python -m pip install --quiet "pip==$(PIP_VERSION)"
	@touch $@

.venv/run.stamp: pyproject.toml constraints.txt .venv/pip.stamp
	@echo "== installing what the workflow needs (about two minutes)"
	@$(BIN)/python -m pip install --quiet --group run --constraint constraints.txt
	@touch $@

.venv/docs.stamp: pyproject.toml constraints.txt .venv/pip.stamp
	@echo "== installing what the documentation needs"
	@$(BIN)/python -m pip install --quiet --group docs --constraint constraints.txt
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	@echo "== installing what the tests need"
	@$(BIN)/python -m pip install --quiet --group dev --constraint constraints.txt
	@touch $@

run: setup
	@$(BIN)/snakemake $(TARGETS) $(ARGS)
	@$(BIN)/python -m workflow_scripts.publish.summary

# In a folder of its own, so that a trial leaves the main results alone.
try: setup
ifdef MODEL
	@$(BIN)/python -m workflow_scripts.publish.trial "$(MODEL)" $(TARGETS) $(ARGS)
else
	@mkdir -p trial
	@$(BIN)/snakemake $(TARGETS) --directory trial $(ARGS)
	@cd trial && PYTHONPATH=.. ../$(BIN)/python -m workflow_scripts.publish.summary
endif

study: .venv/dev.stamp
	@$(BIN)/python templates/new_study.py "$(NAME)" "$(PAPER)" "$(TITLE)"
	@$(BIN)/ruff check --quiet --fix workflow_scripts/$(NAME) tests/$(NAME)
	@$(BIN)/ruff format --quiet workflow_scripts/$(NAME) tests/$(NAME)
	@$(BIN)/snakefmt rules/$(NAME).smk 2>/dev/null

check: setup
	@$(BIN)/python -m workflow_scripts.shared.config $(CONFIG)

probe: setup
	@$(BIN)/python -m workflow_scripts.publish.probe "$(MODEL)" $(ARGS)

cluster: setup
	@exec $(BIN)/python -m workflow_scripts.shared.submit $(ARGS)

cost: setup
	@$(BIN)/python -m workflow_scripts.publish.cost $(ARGS)

compare: setup
	@$(BIN)/python -m workflow_scripts.publish.compare $(RUNS) $(ARGS)

why: setup
	@$(BIN)/python -m workflow_scripts.publish.why "$(CLAIM)"

explain: setup
	@$(BIN)/python -m workflow_scripts.publish.explain $(ARGS)

archive: setup
	@$(BIN)/snakemake archive
	@echo "archive: results/archive/$$(readlink results/archive/latest.zip)"

verify: .venv/dev.stamp
	@OMP_NUM_THREADS=1 $(BIN)/python -m workflow_scripts.publish.verify $(ARCHIVE) $(ARGS)

test: .venv/dev.stamp
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slurm and not servers and not long"

test-long: .venv/dev.stamp
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m long

test-servers: .venv/dev.stamp
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs -m servers tests/inference tests/end_to_end

test-slurm: .venv/dev.stamp
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs tests/slurm

lint: .venv/dev.stamp
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/mypy && $(BIN)/snakemake --lint
	@$(BIN)/python -m tests.house.docstrings && $(BIN)/python -m tests.house.dead_code

vllm: $(VLLM)/stamp

$(VLLM)/stamp: constraints-vllm.txt
	@echo "== creating $(VLLM) (about two minutes, 2.5 GB)"
	@$(PYTHON) -m venv $(VLLM)
	@$(VLLM)/bin/python -m pip install --quiet "pip==$(PIP_VERSION)"
	@# torch with the dependencies of the build that is available here; all else exactly as listed
	@$(VLLM)/bin/python -m pip install --quiet --constraint constraints-vllm.txt torch
	@$(VLLM)/bin/python -m pip install --quiet --no-deps --requirement constraints-vllm.txt
	@touch $@

test-vllm: .venv/dev.stamp vllm
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs tests/inference/test_vllm_engine.py \
		tests/inference/test_vllm_folders.py tests/inference/test_real_servers.py tests/end_to_end/test_engines.py
	@OMP_NUM_THREADS=1 FAULTLINES_ARCHITECTURES=all $(BIN)/python -m pytest -rs \
		tests/end_to_end/test_architectures.py

test-envs: .venv/dev.stamp
	@OMP_NUM_THREADS=1 FAULTLINES_ENVS=$(ENVS) $(BIN)/python -m pytest -rsp tests/environments

clean:
	rm -rf .venv $(VLLM) $(ENVS)
