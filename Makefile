# The verbs of working on Esper: set up, run, test, check, bench.
.PHONY: setup run test test-all coverage bounds check bench compare constraints

setup:  ## create .venv with everything
	uv sync

run:  ## train for real and watch
	uv run esper ppo

FAST = uv run pytest -q -m "not process and not slow"
FIRST_HALF = tests/cli tests/docs tests/fuzz tests/schemas tests/tui

test:  ## the fast tier, in two parts at once: no other processes, nothing slow
	@output=$$(mktemp); $(FAST) $(FIRST_HALF) > $$output 2>&1 & first=$$!; \
	  $(FAST) $(FIRST_HALF:%=--ignore=%); second=$$?; \
	  wait $$first; first=$$?; cat $$output; exit $$((first + second))

test-all:  ## all tests, as in CI
	uv run pytest

coverage:  ## all tests, with the branches that they cover
	uv run coverage run -m pytest
	uv run coverage report

bounds:  ## contract, bus and screen with the lowest and the newest versions that the ranges allow
	.ci/bounds lowest-direct
	.ci/bounds highest

check:  ## style and types
	uv run ruff check .
	uv run ruff format --check .
	uv run mypy

bench:  ## every benchmark, as tables
	@for script in $$(grep -l "^def main" benchmarks/*.py | grep -v compare); do \
	  echo "== $$script"; uv run python -m benchmarks.$$(basename $$script .py) || exit 1; done

compare:  ## one benchmark beside another checkout: make compare OTHER=../old BENCHMARK=fold
	uv run python -m benchmarks.compare $(OTHER) $(BENCHMARK)

constraints:  ## pin the newest versions that the ranges allow; run all tests before the commit
	uv run python .ci/constraints.py
