"""Writes docs/reference/faults.md: the faults that tests inject, from the docstrings of the scenarios."""

from pathlib import Path

from benchmarks.chaos.scenarios import OVER_TCP, SCENARIOS

PAGE = Path(__file__).parent / "reference" / "faults.md"
HEAD = """# Faults that are injected

Made by `python -m docs.make_faults` from `benchmarks/chaos/scenarios.py`. Each row is played by `tests/chaos`
with three seeds in real processes, and by `python -m benchmarks.chaos --minutes N` as often as there is time
for, over ipc or tcp with keys by chance.

One judge (`benchmarks/chaos/checker.py`) looks at what is left behind, whatever the fault was:

- in the log, each trainer's events are 0..n-1, each once, in order, as in its spool, and nobody else's;
- what a trainer was told is safe is in the log, also at the moment at which an aggregator died;
- emitted = logged + counted as dropped;
- the last snapshot is the fold of the log;
- of the calls of `emit`, at most three and one in a thousand took over 1 ms, none over 50 ms (time without
  a core is not counted); the trainer ended at most 2 s after it was told to;
- no process grew beyond its bound of memory and open files; no aggregator ended by itself.

That the judge sees a lost, doubled, changed or uncounted event, one missing in the spool, and an
acknowledgement before the log, is tested with deliberate bugs (`tests/chaos/test_judge.py`).

| fault | what happens | also over tcp with keys |
|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    rows = []
    for name, scenario in SCENARIOS.items():
        what = " ".join((scenario.__doc__ or "").split()).split(": ", 1)[1]
        rows.append(f"| {name} | {what} | {'yes' if name in OVER_TCP else ''} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
