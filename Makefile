# `make` prints what there is. Everything is installed into .venv, in the versions of constraints.txt.
#
# .NOTPARALLEL keeps `make train export serve` in this order under -j.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup protos train fakes export inspect serve demo evaluate test test-page test-wheel lint clean bench-train bench-beside bench-serve bench-page bench-faults \
        bench-pictures bench-strangers bench-detectors record-school record-film record-pictures record-kinds attack prove-resume prove-export publish-protos mutants

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Options for the commands: make train TRAIN_ARGS="--minutes 10"
TRAIN_ARGS  ?=
FAKES_ARGS  ?=
EXPORT_ARGS ?=
SERVE_ARGS  ?=
DEMO_ARGS   ?=
EVALUATE_ARGS ?=
TEST_ARGS   ?=
BENCH_ARGS  ?=
# What `make export` exports.
RUN ?= artifacts/runs/latest
# What `make inspect` shows: a version, or a model repository.
INSPECT ?= models
# Where the page is that `make record-film` films, and `make record-pictures` shows.
PAGE_URL ?= http://127.0.0.1:8080
# What `make evaluate` measures: a run, or a model repository such as models.
WHAT ?= artifacts/runs/latest

# A path as one word for the shell, whatever is in it.
quote = '$(subst ','\'',$(1))'

PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
PROTOS      := $(shell find protos -name '*.proto')
IMAGE       := build/protos.binpb
STUBS       := $(PROTOS:.proto=_pb2.py) $(PROTOS:.proto=_pb2.pyi) $(PROTOS:.proto=_pb2_grpc.py)

# Each stamp stands for an environment that holds at least this much: to serve, to show the page, to train and
# export, to develop; an extra of pyproject.toml each.
SERVE := $(VENV)/serve.stamp
PAGE  := $(VENV)/page.stamp
TRAIN := $(VENV)/train.stamp
DEV   := $(VENV)/dev.stamp
PAGE_CHECKS := tests/browser/node_modules/.package-lock.json

help:
	@echo "digitforge: a GAN for handwritten digits, from the training script to a gRPC service"
	@echo
	@echo "  make train export serve   train (5 to 8 minutes on 2 cores), export, serve on port 50051"
	@echo "  make serve                serve the newest export, or else the pretrained pair in models/"
	@echo "  make demo                 the same with a page to look at, on http://127.0.0.1:8080    [DEMO_ARGS=\"--port 8000 --allow-training\"]"
	@echo "  make test                 everything that the tests need, and the tests"
	@echo
	@echo "  make train                a run in artifacts/runs    [TRAIN_ARGS=\"--preset article\", DATA_DIR=...]"
	@echo "  make fakes                the models of other makers whose fakes a detector learns from (about an hour and a quarter of one core)    [FAKES_ARGS=\"--only dcgan\"]"
	@echo "  make export               the latest run as the next version in artifacts/models    [RUN=..., EXPORT_ARGS=\"--variants fp16,int8\"]"
	@echo "  make inspect              what an exported version is    [INSPECT=models]"
	@echo "  make evaluate             measure the latest run, or a model repository    [WHAT=models, EVALUATE_ARGS=--tstr]"
	@echo "  make setup                the whole environment in .venv"
	@echo "  make protos               the gRPC stubs, which every installation makes"
	@echo "  make lint                 ruff, mypy, and buf on the contract"
	@echo "  make test-page            the page in a browser; needs chromium and npm"
	@echo "  make test-wheel           a wheel of this checkout, built, installed and used in environments of its own (minutes)"
	@echo "  make publish-protos       from now on, make lint holds changes of the contract against what it is now"
	@echo "  make bench-train          training speed beside the tutorial's script and the machine's peak    [BENCH_ARGS=...]"
	@echo "  make bench-beside         how long a run takes alone and beside one and two busy processes (hours)    [BENCH_ARGS=\"--images 30000 --minutes 12\"]"
	@echo "  make bench-serve          the server under load beside the limits and the alternatives; needs h2load    [BENCH_ARGS=...]"
	@echo "  make bench-page           requests a second for a digit's address beside the call that it stands for; needs h2load    [BENCH_ARGS=...]"
	@echo "  make bench-faults         wrong learning rates and batches: what a run makes of them (over an hour)    [BENCH_ARGS=...]"
	@echo "  make bench-pictures       how pictures of digits come through normalisation    [BENCH_ARGS=...]"
	@echo "  make bench-strangers      what the detector says of others' pictures and fakes, and of ours as files    PICTURES=... [BENCH_ARGS=...]"
	@echo "  make bench-detectors      detectors that each never saw one kind of fakes, for the latest run (half an hour)    [RUN=..., BENCH_ARGS=...]"
	@echo "  make record-school        the three runs that the page's school shows, anew (a few minutes)    [BENCH_ARGS=\"--only balanced\"]"
	@echo "  make record-film          the README's film, of a page that runs already; needs chromium    [PAGE_URL=http://127.0.0.1:8080]"
	@echo "  make record-pictures      the pictures of the page's scenes in docs, of a page that runs with --allow-training    [BENCH_ARGS=\"--only draw\"]"
	@echo "  make record-kinds         the picture in docs of what pages that are hard to read are taken for    [DATA_DIR=...]"
	@echo "  make attack               what strangers' connections do to the server's other callers (a quarter of an hour)    [BENCH_ARGS=\"rapid-reset --calls 300\"]"
	@echo "  make prove-resume         killed at 50 random moments and resumed: the same run, bit by bit    [BENCH_ARGS=...]"
	@echo "  make prove-export         exports killed at 20 random moments: the repository always loads    [BENCH_ARGS=...]"
	@echo "  make mutants              what the tests notice of faults put into the source (half an hour)    [BENCH_ARGS=\"--room batcher\"]"
	@echo "  make clean                remove the environment, stubs and caches; runs, models and data stay"

setup: $(DEV)
protos: $(SERVE)

train: $(TRAIN)
	$(BIN)/digitforge-train $(TRAIN_ARGS)

fakes: $(TRAIN)
	$(BIN)/python -m training.fakes.train $(FAKES_ARGS)

export: $(TRAIN)
	$(BIN)/digitforge-export $(call quote,$(RUN)) $(EXPORT_ARGS)

inspect: $(TRAIN)
	$(BIN)/digitforge-export --inspect $(call quote,$(INSPECT))

evaluate: $(TRAIN)
	$(BIN)/digitforge-evaluate $(call quote,$(WHAT)) $(EVALUATE_ARGS)

serve: $(SERVE)
	$(BIN)/digitforge-serve $(SERVE_ARGS)

# Where visitors may train, with what training needs.
demo: $(PAGE) $(if $(findstring --allow-training,$(DEMO_ARGS)),$(TRAIN))
	$(BIN)/digitforge-page --with-server $(DEMO_ARGS)

# In two processes, as most of a test is waiting for a server or a child; PyTorch's threads would wait for each other.
test: $(DEV)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal $(TEST_ARGS)

test-page: $(DEV) $(PAGE_CHECKS)
	@command -v chromium > /dev/null || { echo "test-page needs chromium: apt-get install chromium" >&2; exit 1; }
	$(BIN)/pytest tests/browser $(TEST_ARGS)

test-wheel: $(DEV)
	$(BIN)/pytest --capture=no tests/wheel.py $(TEST_ARGS)

lint: $(DEV) $(IMAGE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/buf lint $(IMAGE) --config protos/buf.yaml
	$(BIN)/buf breaking $(IMAGE) --against protos/published.binpb --config protos/buf.yaml

publish-protos: $(IMAGE)
	cp $(IMAGE) protos/published.binpb

bench-train: $(TRAIN)
	$(BIN)/python -m benchmarks.train_speed $(BENCH_ARGS)

bench-beside: $(TRAIN)
	$(BIN)/python -m benchmarks.beside_work $(BENCH_ARGS)

bench-serve: $(TRAIN)
	@command -v h2load > /dev/null || { echo "bench-serve needs h2load: apt-get install nghttp2-client" >&2; exit 1; }
	$(BIN)/python -m benchmarks.serving_load $(BENCH_ARGS)

bench-page: $(DEV)
	@command -v h2load > /dev/null || { echo "bench-page needs h2load: apt-get install nghttp2-client" >&2; exit 1; }
	$(BIN)/python -m benchmarks.page_load $(BENCH_ARGS)

bench-faults: $(TRAIN)
	$(BIN)/python -m benchmarks.faults $(BENCH_ARGS)

bench-pictures: $(DEV)
	$(BIN)/python -m benchmarks.score_pictures $(BENCH_ARGS)

bench-strangers: $(DEV)
	$(BIN)/python -m benchmarks.score_strangers $(call quote,$(PICTURES)) $(BENCH_ARGS)

bench-detectors: $(TRAIN)
	$(BIN)/python -m benchmarks.leave_one_out $(call quote,$(RUN)) $(BENCH_ARGS)

record-school: $(TRAIN)
	$(BIN)/python -m benchmarks.record_school $(BENCH_ARGS)

record-film: $(DEV)
	$(BIN)/python -m benchmarks.record_film $(call quote,$(PAGE_URL)) $(BENCH_ARGS)

record-pictures: $(DEV)
	$(BIN)/python -m tests.browser.pictures $(call quote,$(PAGE_URL)) $(BENCH_ARGS)

record-kinds: $(DEV)
	$(BIN)/python -m benchmarks.kinds_of_pictures $(BENCH_ARGS)

attack: $(DEV)
	$(BIN)/python -m benchmarks.attacks $(BENCH_ARGS)

prove-resume: $(TRAIN)
	$(BIN)/python -m benchmarks.prove_resume $(BENCH_ARGS)

prove-export: $(TRAIN)
	$(BIN)/python -m benchmarks.prove_export $(BENCH_ARGS)

mutants: $(DEV)
	$(BIN)/python -m benchmarks.mutants $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache $(STUBS)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip comes last into an environment: where it is missing, making it was interrupted.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "digitforge needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making the environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo "python -m venv failed; Debian and Ubuntu have it in the package python3-venv" >&2; exit 1; }

# An editable install makes the stubs as well (setup.py): again where a contract is newer, or a stub is gone.
$(SERVE): pyproject.toml setup.py constraints.txt $(PROTOS) $(if $(filter-out $(wildcard $(STUBS)),$(STUBS)),no-stubs) | $(BIN)/pip
	@echo "Installing what serving needs, and making the gRPC stubs"
	@$(PIP_INSTALL) --editable ".[serve]"
	@touch $@

$(PAGE): pyproject.toml constraints.txt | $(SERVE)
	@echo "Installing what the page needs"
	@$(PIP_INSTALL) --editable ".[page]"
	@touch $@

# What checks the page's scripts; the page itself needs none of it.
$(PAGE_CHECKS): tests/browser/package.json tests/browser/package-lock.json
	@command -v npm > /dev/null || { echo "test-page needs npm: apt-get install npm" >&2; exit 1; }
	@npm ci --prefix tests/browser --no-audit --no-fund --loglevel=error
	@touch $@

$(TRAIN): pyproject.toml constraints.txt | $(SERVE)
	@echo "Installing what training and exporting need (PyTorch is large)"
	@$(PIP_INSTALL) --editable ".[train]"
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(TRAIN)
	@echo "Installing what the tests and checks need"
	@$(PIP_INSTALL) --editable ".[dev]"
	@touch $@

.PHONY: no-stubs
no-stubs:

# For buf, which would look on the network for what the contract imports; protoc finds it among the installed packages.
$(IMAGE): $(PROTOS) $(DEV)
	@mkdir -p $(@D)
	@$(BIN)/python -m grpc_tools.protoc --proto_path=protos \
	  --proto_path="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	  --include_imports --include_source_info --descriptor_set_out=$@ $(PROTOS:protos/%=%)
