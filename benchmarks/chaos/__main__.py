"""`python -m benchmarks.chaos --minutes N`: the scenarios of the tests with random seeds, as a table."""

import argparse
import random
import sys
import time
from collections import Counter

from benchmarks.chaos.scenarios import SCENARIOS, run_scenario
from benchmarks.chaos.world import TRANSPORTS


def main() -> int:
    """Run scenarios until the time is over; returns 1 if an event was lost, duplicated or changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, help="run all scenarios once with this seed instead")
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    parser.add_argument("--transport", choices=TRANSPORTS, help="default: a random one each time")
    arguments = parser.parse_args()
    names = [name for name in SCENARIOS if arguments.only in name]
    runs: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    end = time.monotonic() + 60 * arguments.minutes
    while names and (time.monotonic() < end or arguments.seed is not None):
        seed = random.randrange(2**31) if arguments.seed is None else arguments.seed
        for name in names:
            began = time.monotonic()
            faults = run_scenario(name, seed, arguments.transport or random.choice(TRANSPORTS))
            runs[name] += 1
            failed[name] += bool(faults)
            seconds[name] += round(time.monotonic() - began)
            for fault in faults[:5]:
                print(f"{name}, seed {seed}: {fault}", flush=True)
        if arguments.seed is not None:
            break
    print(f"{'fault':34} {'runs':>6} {'failed':>6} {'s':>6}")
    for name in names:
        print(f"{name:34} {runs[name]:6} {failed[name]:6} {seconds[name]:6}")
    return 1 if failed.total() else 0


if __name__ == "__main__":
    sys.exit(main())
