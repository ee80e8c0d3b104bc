# `make help` lists what there is.  Everything runs in a virtual environment of its own, made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint corpus lab lab-matrix soak record benchmark clean

help:
	@echo "make demo       the verdict on a bundled real hang"
	@echo "make test       linters and all tests that need no virtual machine"
	@echo "make corpus     how the checker does on recorded and on made-up pairs, rule by rule (docs/corpus.md)"
	@echo "make lab        boot a real VM, hang it, capture it with crash and gdb, and check the verdicts"
	@echo "make lab-matrix every kernel with every virtio device, split and packed, aarch64 and s390x; more scenes in other QEMUs"
	@echo "make soak       PAIRS=300 pairs of healthy machines under load, taken at random instants: no fault may be seen"
	@echo "make record     make the lab's scenes and its matrix again and keep their recordings in tests/data"
	@echo "make benchmark  times of the commands and of the checker"
	@echo "make clean      remove the virtual environment and what tools left behind"

$(BIN)/vqcheck: setup.py
	@$(PYTHON) -m venv $(VENV) || { echo "python3 has no venv module: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test-tools: setup.py | $(BIN)/vqcheck
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/lab-tools: setup.py | $(VENV)/test-tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[drgn]'
	@touch $@

demo: $(BIN)/vqcheck
	@$(BIN)/vqcheck demo || test $$? -eq 1

test: lint
	$(BIN)/python -m pytest -m "not lab" -n auto

lint: $(VENV)/test-tools
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@echo vermin: what a debugger loads runs in Python 3.6
	@$(BIN)/vermin --no-tips --quiet --target=3.6- --eval-annotations $(DEBUGGER_LOADS)

corpus: $(VENV)/test-tools
	$(BIN)/python -m tests.corpus --write docs/corpus.md

# What a debugger loads; gdb of RHEL 8 embeds Python 3.6.
DEBUGGER_LOADS := $(filter-out %/read.py %/schema.py %/shape.py %/build.py vqcheck/host/by_qmp/%, \
	$(wildcard vqcheck/*.py vqcheck/virtio/*.py vqcheck/target/*.py vqcheck/target/files/*.py vqcheck/target/layouts/*.py \
	vqcheck/guest/*.py vqcheck/guest/drivers/*.py vqcheck/host/*.py vqcheck/host/*/*.py vqcheck/snapshot/*.py \
	vqcheck/render/*.py gdb_ext/*.py crash_ext/*.py))

# Two machines at a time; what a file has made stays in one process.
TWO := -n 2 --dist loadfile

lab: $(VENV)/lab-tools
	$(BIN)/python -m pytest -m "lab and not matrix" $(TWO) tests

lab-matrix: $(VENV)/lab-tools
	$(BIN)/python -m pytest -m lab tests/lab/test_matrix.py tests/lab/test_kernels.py tests/lab/test_crash_kernels.py \
		tests/lab/test_crash_arm64.py tests/lab/test_ccw.py
	$(BIN)/python -m pytest -m matrix tests/lab/test_live_guest.py tests/lab/test_scenes.py tests/lab/test_devices.py tests/lab/test_inspect.py \
		tests/lab/test_host_ways.py tests/lab/test_qmp.py

PAIRS ?= 300
soak: $(VENV)/lab-tools
	$(BIN)/python -m tests.lab.soak $(PAIRS)

record: $(VENV)/lab-tools
	VQCHECK_RECORD=$(CURDIR)/tests/data $(BIN)/python -m pytest -m lab tests/lab/test_scenes.py tests/lab/test_matrix.py \
		tests/lab/test_kernels.py tests/lab/test_qmp.py tests/lab/test_ccw.py
	$(BIN)/python -m tests.regenerate

benchmark: $(VENV)/lab-tools
	$(BIN)/python -m pytest -s benchmarks

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	$(MAKE) -C crash_ext/loader clean
