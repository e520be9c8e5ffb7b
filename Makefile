# Everything a newcomer needs: `make demo` and `make test` set up .venv by themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(sort $(wildcard plugins/*))
STAMP := $(VENV)/.installed
# A worker more than there are cores, up to four: a test sometimes waits for a process.
WORKERS = $(shell $(BIN)/python -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
SIDE_BY_SIDE = $(BIN)/pytest -n $(WORKERS) --dist worksteal
ENOUGH := import sys; v = sys.version_info; \
  v >= (3, 11) or sys.exit("needs Python 3.11 or newer, got %d.%d; set PYTHON=python3.11" % v[:2])
EDITABLE := -e '.[dev,docs,torch,tpe]' $(addprefix -e ,$(PLUGINS))

# Hundreds of processes import this tree in the tests: a fifth of a second each where nothing compiled is kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint types contracts pytest hidden-bf16 mutants smoke bench bench-compare docs lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## run the quick suite and print its leaderboard
	@$(BIN)/ctpbench run quick --out runs/quick -j 2

test: lint types contracts pytest hidden-bf16 ## everything that must hold before a change lands

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)
	@$(BIN)/mypy

contracts: $(STAMP)
	@$(BIN)/lint-imports

pytest: $(STAMP)
	@$(SIDE_BY_SIDE)

hidden-bf16: $(STAMP) ## the tests of networks that choose their precision, as on a CPU without bf16
	@CTPBENCH_HIDE_BF16=1 $(BIN)/pytest plugins/ctpbench-unet -k "test_runtime or auto or (conforms and deep_image_prior)"

mutants: $(STAMP) ## break what matters, a line at a time, and see whether a test sees it
	@$(BIN)/python tests/mutants.py

smoke: $(STAMP) ## the main job, small: a run, and the same run again from its cache
	@$(BIN)/ctpbench run tests/smoke.yaml --out runs/smoke --cache none
	@$(BIN)/ctpbench run tests/smoke.yaml --out runs/smoke --cache none

.PHONY: wheels
wheels: $(STAMP) ## build the distributions, install them away from here, and try them
	@$(BIN)/python tests/wheels.py

bench: $(STAMP) ## time every kernel beside its peer and print the ratios
	@$(BIN)/python benchmarks/table.py run

bench-compare: $(STAMP) ## the same, set against the committed numbers
	@$(BIN)/python benchmarks/table.py compare

docs: $(STAMP) ## build the documentation into docs/_build/html, offline; a warning is an error
	@$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

lock: ## compile constraints.txt anew (needs uv)
	env -u PIP_FIND_LINKS uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	  constraints.in -o constraints.txt
	sed -i '/^-e /d' constraints.txt

clean:
	rm -rf $(VENV) runs docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(STAMP): constraints.txt pyproject.toml $(addsuffix /pyproject.toml,$(PLUGINS))
	@test -x $(BIN)/python || $(PYTHON) -c '$(ENOUGH)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt flit_core setuptools
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -c constraints.txt $(EDITABLE)
	@touch $@
