"""Whether this checkout is slower than another one: both run the same benchmark in turn, pair by pair.

    python -m benchmarks.compare --pairs 20 OTHER_CHECKOUT fold --events 1000

Each checkout is run by the Python of its own `.venv`. The output is the ratio of this checkout to the
other one: the median over the pairs, and the interval that contains the true median with 95 % confidence.
Pairs are used rather than two series, because other work on the machine slows down both halves of a pair.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parents[1]
LABELS = ("what", "case", "size")
"""The fields that name a row; every other number is a measurement."""


def main() -> None:
    """Run the pairs and print a table."""
    options = _options()
    pairs = []
    for number in range(options.pairs):
        order = (HERE, options.other) if number % 2 else (options.other, HERE)
        results = {checkout: _run(checkout, options) for checkout in order}
        pairs.append((results[HERE], results[options.other]))
        print(f"pair {number + 1} of {options.pairs}", file=sys.stderr)
    print(f"{'':64}{'other':>12}{'here':>12}{'ratio':>8}  95 % interval")
    for name in pairs[0][0]:
        if all(name in other and other[name] > 0 for _, other in pairs):
            _print_row(name, [here[name] for here, _ in pairs], [other[name] for _, other in pairs])


def _run(checkout: Path, options: argparse.Namespace) -> dict[str, float]:
    """The measured numbers by name."""
    command = [checkout / ".venv/bin/python", "-m", f"benchmarks.{options.benchmark}", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
    completed = subprocess.run(
        [*command, *options.options], cwd=checkout, env=environment, stdout=subprocess.PIPE, check=True
    )
    lines = completed.stdout.splitlines(keepends=True)
    start = next(n for n, line in enumerate(lines) if line.startswith((b"[", b"{")))  # others may be logged
    return dict(_numbers(json.loads(b"".join(lines[start:]))))


def _numbers(results: dict[str, float] | list[dict[str, object]]) -> Iterator[tuple[str, float]]:
    """The numbers of a benchmark's JSON: an object of numbers, or rows with a name and numbers."""
    if isinstance(results, dict):
        yield from results.items()
        return
    for row in results:
        name = " ".join(str(row[label]) for label in LABELS if label in row)
        for field, value in row.items():
            if isinstance(value, int | float):
                yield f"{name}: {field}", value


def _print_row(name: str, here: Sequence[float], other: Sequence[float]) -> None:
    ratios = sorted(ours / theirs for ours, theirs in zip(here, other, strict=True))
    low, high = median_interval(len(ratios))
    medians = f"{statistics.median(other):12,.2f}{statistics.median(here):12,.2f}"
    interval = f"{ratios[low]:.3f} to {ratios[high]:.3f}"
    print(f"{name[:64]:64}{medians}{statistics.median(ratios):8.3f}  {interval}")


def median_interval(count: int) -> tuple[int, int]:
    """The indices, in a sorted sample, of the bounds of a 95 % confidence interval of the median.

    From the binomial distribution of the number of values below it; with fewer than six values the bounds
    are the smallest and the largest, which contain it with a lower confidence.
    """
    outside, low = 2 / 2**count, 0
    while outside + 2 * math.comb(count, low + 1) / 2**count <= 0.05:
        low += 1
        outside += 2 * math.comb(count, low) / 2**count
    return low, count - 1 - low


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=lambda path: Path(path).resolve(), help="a checkout with a .venv")
    parser.add_argument("benchmark", help="a module of benchmarks/ that has --json, as `fold`")
    parser.add_argument("--pairs", type=int, default=20, help="runs of each checkout (default: 20)")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="options of the benchmark")
    return parser.parse_args()


if __name__ == "__main__":
    main()
