# `make help` lists the targets. Needs Python 3.11 or newer; uv is used where it is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
READY := $(VENV)/.ready
# uv installs the 7 GB of torch and CUDA several times faster than pip: where it is missing, pip puts it into the venv first.
SYSTEM_UV := $(shell command -v uv 2>/dev/null)
UV := $(or $(SYSTEM_UV),$(BIN)/uv)
VENV_MAKER := $(if $(SYSTEM_UV),uv venv --quiet --python $(PYTHON),$(PYTHON) -m venv)
# The demo petals are learnt in three epochs; fit itself takes six where nothing else is said.
ARGS ?= --trainer.max_epochs=3
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup fit test interop fuzz bench-input bench-memory lint format types check constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(VENV_MAKER) $(VENV)
	test -n "$(SYSTEM_UV)" -o -x $(UV) || $(BIN)/python -m pip install --quiet uv
	$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(READY) ## make .venv and install the package with what its tests need

fit: $(READY) ## train on the demo petals, or on what ARGS says: make fit ARGS='--data.root=...'
	$(BIN)/python -m lightning_flowers fit $(ARGS)

test: $(READY) ## run the whole test suite
	$(BIN)/python -m pytest

interop: $(READY) ## read our shards with TensorFlow, and TensorFlow's with ours (own environment: .venv-tf)
	test -x .venv-tf/bin/python || $(VENV_MAKER) .venv-tf
	$(UV) pip install --quiet --python .venv-tf/bin/python 'tensorflow-cpu>=2.16'
	$(BIN)/python -m pytest tests/data/test_interop.py -rs

bench-input: ARGS =
bench-input: $(READY) $(BENCH)/.ready ## measure the input pipeline beside its peers (BENCH_ROOT=folder of shards, ARGS='--help')
	PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

bench-memory: ARGS =
bench-memory: $(READY) ## measure the memory that keeping decoded pictures takes (BENCH_ROOT=folder of shards, ARGS='--help')
	PYTHONPATH=tests $(BIN)/python -m bench.memory $(ARGS)

# The same torch, OpenCV and albumentations as ours. DALI has wheels for few machines: the bench goes on without it.
$(BENCH)/.ready: $(READY) constraints.txt
	test -x $(BENCH)/bin/python || $(VENV_MAKER) $(BENCH)
	$(UV) pip install --quiet --python $(BENCH)/bin/python --constraint constraints.txt \
	  'tensorflow-cpu>=2.16' torch tfrecord pillow albumentations opencv-python-headless
	$(UV) pip install --quiet --python $(BENCH)/bin/python --constraint constraints.txt nvidia-dali-cuda120 || \
	  echo 'NVIDIA DALI does not install here: it is left out' >&2
	@touch $@

fuzz: $(READY) ## look for bytes that the readers take wrongly, FUZZ_SECONDS=60 in all (own environment: .venv-fuzz)
	test -x .venv-fuzz/bin/python || $(VENV_MAKER) .venv-fuzz
	$(UV) pip install --quiet --python .venv-fuzz/bin/python --constraint constraints.txt \
	  atheris crc32c numpy opencv-python-headless simplejpeg tfrecord
	for target in shard example picture; do \
	  PYTHONPATH=. .venv-fuzz/bin/python tests/fuzz/target.py $$target build/fuzz/$$target \
	    -max_total_time=$$(( $(FUZZ_SECONDS) / 3 )) || exit 1; \
	done

lint: $(READY) ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY) ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY) ## check types
	$(BIN)/pyright

check: lint types test ## what CI checks

constraints: $(READY) ## pin the newest versions that fit pyproject.toml
	$(UV) pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade --quiet \
	  --no-annotate --custom-compile-command 'make constraints' --output-file constraints.txt

clean: ## remove what was installed and built; runs stay
	rm -rf $(VENV) .venv-tf .venv-fuzz $(BENCH) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
