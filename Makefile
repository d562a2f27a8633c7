# `make demo` and `make test` need Python 3.11 or newer and nothing else: the environment comes from requirements.lock.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test quick check bench bench-lock docs lock clean

demo: $(READY)  ## simulate a squad, ingest its exports, train, score, write the report
	$(BIN)/strainwatch demo --out demo

test: $(READY)  ## every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

quick: $(READY)  ## the tests that take moments
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

check: $(READY)  ## format, lint, types, architecture, generated docs, translations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py
	$(BIN)/python -m pipelines.reference --check
	$(BIN)/python -m pipelines.catalogues --check

bench: $(READY) .venv/.bench  ## figures beside the peers, in one run
	$(BIN)/python -m benchmarks.features
	$(BIN)/python -m benchmarks.engine_choice
	$(BIN)/python -m benchmarks.explain

docs: $(READY)  ## regenerate the pages that come from the code
	$(BIN)/python -m pipelines.reference

lock: $(READY)  ## resolve pyproject.toml anew into requirements.lock
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --upgrade --custom-compile-command "make lock" -o requirements.lock

bench-lock: $(READY)  ## resolve benchmarks/requirements.in anew, beside what the project pins
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile benchmarks/requirements.in -c requirements.lock --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make bench-lock" -o benchmarks/requirements.lock

clean:
	rm -rf .venv build dist demo

$(READY): requirements.lock pyproject.toml hatch_build.py $(wildcard features/*.[ch] models/*.[ch])
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none of python3, python3.11 ... was found."; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv || { echo "No venv module: install it (on Debian: python3-venv) and run make again."; exit 1; }
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $(READY)

.venv/.bench: benchmarks/requirements.lock $(READY)
	$(BIN)/python -m pip install -q --require-hashes -r benchmarks/requirements.lock
	touch $@
