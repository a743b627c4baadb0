# Two commands on a fresh machine: `make search` and `make test`. Both install what is missing.
PYTHON ?= python3.11
BIN := .venv/bin
LOCK := requirements.lock
# Processes in each of which torch computes with one thread.
PYTEST = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=$${OMP_WAIT_POLICY:-passive} $(BIN)/python -m pytest --dist worksteal

# What looks at the lock, in an environment of its own: nothing of it comes near the search.
SUPPLY := build/supply
SUPPLY_TOOLS := pip-audit==2.10.1 cyclonedx-bom==7.5.0

.PHONY: install search test test-all lint docs native bench chaos sbom audit newest clean
.DEFAULT_GOAL := help

help:
	@echo "make search   the whole way on real digits: supernet, search, top networks (5 to 15 minutes on 2 cores)"
	@echo "make test     the test suite, on two processes (6 to 15 minutes on 2 cores)"
	@echo "make test-all the same, what is slow, and the compiled kernels where a C++ compiler is (16 to 40 minutes)"
	@echo "make lint     ruff, mypy, import-linter"
	@echo "make docs     the documentation as a site, build/site"
	@echo "make native   the compiled CPU kernels again, after a C++ compiler was installed (make install builds it too)"
	@echo "make bench    every benchmark; writes docs/performance.md (half an hour on 2 cores)"
	@echo "make chaos    a search whose processes are killed 50 times: what is lost, repeated, mismatched (half an hour)"
	@echo "make sbom     what the lock installs, as CycloneDX: build/sbom.json"
	@echo "make audit    known vulnerabilities of what the lock installs (needs pypi.org)"
	@echo "make newest   the test suite with the newest versions that pyproject.toml allows, in build/newest"
	@echo "make install  only the environment, .venv"

install: .venv/.installed .venv/.kernels

.venv/.installed: $(LOCK) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) was not found; say PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Where no C++ compiler is, one line says so; it is looked for again when the source changes, or by `make native`.
.venv/.kernels: .venv/.installed $(wildcard trionet_nni/operators/layers/native/*.h trionet_nni/operators/layers/native/*.cpp)
	@$(BIN)/python -m trionet_nni.operators.layers.build_native || echo "without it torch computes attention, several times slower"
	@touch $@

search: install
	@$(BIN)/trionet search experiments/quickstart.yml

test: install
	$(PYTEST) -n 2

# An empty -m: the slow ones too, which pyproject.toml leaves out. They wait for most of their time, hence one process more.
test-all: install
	$(PYTEST) -n 3 -m ""

lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.venv/.docs: .venv/.installed requirements-docs.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

native: install  # `make install` does it too; this is for a compiler that came later
	@$(BIN)/python -m trionet_nni.operators.layers.build_native

bench: install
	$(BIN)/python -m benchmarks.report

chaos: install
	$(BIN)/python -m tests.chaos --kills 50 --candidates 200 --seed 0

$(SUPPLY)/.installed: Makefile
	$(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/python -m pip install --quiet --disable-pip-version-check $(SUPPLY_TOOLS)
	@touch $@

# --output-reproducible: of one lock one file, so that a release's can be made again and compared.
sbom: $(SUPPLY)/.installed
	$(SUPPLY)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o build/sbom.json $(LOCK)

# --strict: without it, what could not be looked up is passed over, and all of it is "no known vulnerabilities".
audit: $(SUPPLY)/.installed
	$(SUPPLY)/bin/pip-audit --strict --require-hashes --disable-pip -r $(LOCK)
	$(SUPPLY)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements-docs.lock

newest:
	PYTHON=$(PYTHON) .ci/newest

# Refused while any process of this machine has loaded something out of .venv: a search, a training, a trial.
clean:
	@place=$$(cd .venv 2>/dev/null && pwd -P) || exit 0; \
	for process in $$(grep -lsF "$$place/" /proc/[0-9]*/maps); do \
	    number=$${process#/proc/}; number=$${number%/maps}; \
	    echo "make clean: found process $$number at work in .venv, allowed: when nothing runs" >&2; exit 2; \
	done
	rm -rf .venv build dist *.egg-info trionet_nni/operators/layers/native/*.so
