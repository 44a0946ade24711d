# `make help` lists the targets. Needs Python 3.11 or newer; uv is used where it is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
KAGGLE := .venv-kaggle
KAGGLE_WHEELS := build/kaggle-wheels
# Of Kaggle's TPU image: Python's version, and a day about which its packages were new.
KAGGLE_PYTHON ?= 3.12
KAGGLE_DAY := 2025-11-15
READY := $(VENV)/.ready
# uv installs the 7 GB of torch and CUDA several times faster than pip: where it is missing, pip puts it into the venv first.
SYSTEM_UV := $(shell command -v uv 2>/dev/null)
UV := $(or $(SYSTEM_UV),$(BIN)/uv)
VENV_MAKER := $(if $(SYSTEM_UV),uv venv --quiet --python $(PYTHON),$(PYTHON) -m venv)
# The demo petals are learnt in three epochs; fit itself takes six where nothing else is said.
ARGS ?= --trainer.max_epochs=3
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup fit test interop fuzz bench-input bench-memory bench-serve bench-gpu tpu-table ablation bench-peers kaggle-wheels kaggle-check lint \
  format types check constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(VENV_MAKER) $(VENV)
	test -n "$(SYSTEM_UV)" -o -x $(UV) || $(BIN)/python -m pip install --quiet uv
	$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(READY) ## make .venv and install the package with what its tests need

fit: $(READY) ## train on the demo petals, or on what ARGS says: make fit ARGS='--data.root=...'
	$(BIN)/python -m lightning_flowers fit $(ARGS)

# Two files at a time, one core each. By themselves comes what measures this process's memory, and what trains on eight
# virtual cores, which wait for each other.
ALONE := tests/bench/test_bench_memory.py tests/hardware/test_xla.py tests/rehearse
test: $(READY) ## run the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile $(ALONE:%=--ignore=%)
	$(BIN)/python -m pytest $(ALONE)

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

bench-gpu: ARGS =
bench-gpu: $(READY) ## measure training on this GPU beside timm's script (TIMM_TRAIN=its train.py, ARGS='--help')
	PYTHONPATH=tests $(BIN)/python -m bench.gpu $(ARGS)

tpu-table: ARGS =
tpu-table: $(READY) ## have libtpu say what the five backbones take on three TPUs; goes on where it was (hours)
	PYTHONPATH=tests $(BIN)/python -m bench.tpu $(ARGS)

ablation: ARGS =
ablation: $(READY) ## measure what each option is worth (BENCH_ROOT=real photographs, ARGS='--minutes=60'); goes on where it was
	PYTHONPATH=tests $(BIN)/python -m bench.ablation $(ARGS)

bench-peers: ARGS =
bench-peers: $(READY) $(BENCH)/.peers ## measure how well peers learn the same photographs (TIMM_TRAIN=train.py, BENCH_ROOT=FOLDER)
	PYTHONPATH=tests $(BIN)/python -m bench.peers $(ARGS)

$(BENCH)/.peers: $(READY) constraints.txt
	test -x $(BENCH)/bin/python || $(VENV_MAKER) $(BENCH)
	$(UV) pip install --quiet --python $(BENCH)/bin/python --constraint constraints.txt torch timm fastai
	@touch $@

bench-serve: ARGS =
bench-serve: $(READY) $(BENCH)/.serve ## measure the server beside others (BENCH_RUN=folder of a run, BENCH_PICTURE=file)
	PYTHONPATH=tests $(BIN)/python -m bench.serve $(BENCH_RUN) $(BENCH_PICTURE) $(ARGS)

# The project itself too, for the same model behind LitServe: without it the bench goes on.
$(BENCH)/.serve: $(READY) constraints.txt
	test -x $(BENCH)/bin/python || $(VENV_MAKER) $(BENCH)
	$(UV) pip install --quiet --python $(BENCH)/bin/python --constraint constraints.txt litserve '.[serve]' || \
	  echo 'LitServe does not install here: it is left out' >&2
	@touch $@

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
	  atheris crc32c filelock numpy opencv-python-headless pillow simplejpeg tfrecord
	for target in shard example picture; do \
	  PYTHONPATH=. .venv-fuzz/bin/python tests/fuzz/target.py $$target build/fuzz/$$target \
	    -max_total_time=$$(( $(FUZZ_SECONDS) / 3 )) || exit 1; \
	done

# uv finds what to take, pip fetches it for the image's Python, and builds wheels of what comes as source only (ours too).
KAGGLE_PIP := $(UV) tool run pip --disable-pip-version-check
kaggle-wheels: $(READY) ## make the dataset that kaggle/petals.py installs from, in build/kaggle-wheels
	rm -rf $(KAGGLE_WHEELS)
	$(UV) build --quiet --sdist --out-dir $(KAGGLE_WHEELS)
	rm -f $(KAGGLE_WHEELS)/.gitignore
	$(UV) pip compile pyproject.toml --quiet --no-header --no-annotate --constraint constraints.txt \
	  --excludes kaggle/image.txt --python-version $(KAGGLE_PYTHON) --python-platform x86_64-manylinux_2_28 \
	  --output-file build/kaggle-requirements.txt
	$(KAGGLE_PIP) download --quiet --no-deps --requirement build/kaggle-requirements.txt --dest $(KAGGLE_WHEELS) \
	  --implementation cp --python-version $(KAGGLE_PYTHON) --abi cp$(subst .,,$(KAGGLE_PYTHON)) --abi abi3 --abi none \
	  $(foreach tag,manylinux_2_28 manylinux_2_17 manylinux2014 manylinux1,--platform $(tag)_x86_64)
	$(KAGGLE_PIP) wheel --quiet --no-deps --wheel-dir $(KAGGLE_WHEELS) $(KAGGLE_WHEELS)/*.tar.gz
	rm $(KAGGLE_WHEELS)/*.tar.gz
	cp configs/*.yaml kaggle/dataset-metadata.json $(KAGGLE_WHEELS)
	du -sh $(KAGGLE_WHEELS)

# In place of the image stands what it has of image.txt, with torch_xla and the TPU's library, all about as old as there.
kaggle-check: kaggle-wheels ## run kaggle/petals.py offline, in an environment like that of Kaggle's image (.venv-kaggle)
	rm -rf $(KAGGLE)
	$(UV) venv --quiet --seed --python $(KAGGLE_PYTHON) $(KAGGLE)
	$(UV) pip install --quiet --python $(KAGGLE)/bin/python --exclude-newer $(KAGGLE_DAY) --requirement kaggle/image.txt \
	  'torch==2.8.*' 'torch_xla[tpu]==2.8.*'
	PYTHONPATH=tests $(BIN)/python kaggle/check.py $(KAGGLE)/bin/python $(KAGGLE_WHEELS)

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
	rm -rf $(VENV) .venv-tf .venv-fuzz $(BENCH) $(KAGGLE) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
