"""Whether Tamiyo learns: returns over many updates and several seeds, compared with scripted policies.

    python -m benchmarks.learning [--seeds 5] [--updates 100] [--runs-dir DIR] [--picture FILE.svg]

Each seed is trained in a process with one thread, one after another; its returns are read from its log. Runs
that are complete in `--runs-dir` are not trained again, so that the picture can be redrawn.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from esper_bus.store.run_reader import read_records
from esper_schemas.events import RolloutCompleted, RunStarted
from esper_trainer.environments.morph.presets import PRESETS
from esper_trainer.environments.morph.scripted_baselines import BASELINES, run_baseline

LAST = 5
"""The number of returns at the end of a run that are averaged."""
WANTED = 1.3
"""The smallest acceptable average, in units of the return of always waiting."""


class Seed(NamedTuple):
    """One training: its mean return per update, and the returns of scripted policies in its environments."""

    seed: int
    returns: list[float]
    scripted: dict[str, float]

    @property
    def last(self) -> float:
        """The mean of the last returns."""
        return statistics.fmean(self.returns[-LAST:])

    @property
    def ratio(self) -> float:
        """The mean of the last returns, in units of the return of always waiting."""
        return self.last / self.scripted["wait"]


def measure(seed: int, options: argparse.Namespace, runs_dir: Path) -> Seed:
    """Train with a seed, unless its run is complete, and run the scripted policies."""
    run_dir = runs_dir / f"{options.preset}-seed{seed}"
    returns = returns_of(run_dir) if run_dir.exists() else []
    if len(returns) < options.updates:
        train(seed, options, run_dir)
        returns = returns_of(run_dir)
    preset, cpu = PRESETS[options.preset], torch.device("cpu")
    scripted = {
        name: run_baseline(name, options.envs, preset, seed, cpu, options.episodes).mean_return
        for name in BASELINES
    }
    return Seed(seed, returns[: options.updates], scripted)


def train(seed: int, options: argparse.Namespace, run_dir: Path) -> None:
    """Run the trainer as a user would."""
    command = [sys.executable, "-m", "esper_trainer", "--runs-dir", run_dir.parent, "--name", run_dir.name]
    command += ["--preset", options.preset, "--envs", options.envs, "--episodes", options.updates]
    command += ["--seed", seed, "--threads", 1]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def returns_of(run_dir: Path) -> list[float]:
    """The mean return of every update that a run has recorded."""
    events = [record.event for record in read_records(run_dir)]
    assert isinstance(events[0], RunStarted)
    return [event.mean_return for event in events if isinstance(event, RolloutCompleted)]


def print_table(seeds: Sequence[Seed]) -> None:
    """One row per seed, then mean and spread, as Markdown."""
    names = list(BASELINES)
    print(f"| seed | first update | last {LAST} updates | {' | '.join(names)} | last / wait |")
    print("|---|" + "--:|" * (3 + len(names)))
    rows = [[s.returns[0], s.last, *(s.scripted[name] for name in names), s.ratio] for s in seeds]
    for seed, row in zip(seeds, rows, strict=True):
        print(f"| {seed.seed} | {' | '.join(f'{value:.3f}' for value in row)} |")
    columns = list(zip(*rows, strict=True))
    print(f"| mean | {' | '.join(f'{statistics.fmean(column):.3f}' for column in columns)} |")
    print(f"| deviation | {' | '.join(f'{statistics.pstdev(column):.3f}' for column in columns)} |")
    reached = sum(seed.ratio >= WANTED for seed in seeds)
    print(f"\n{reached} of {len(seeds)} seeds end at {WANTED} times always WAIT or more.")


def draw(seeds: Sequence[Seed], options: argparse.Namespace) -> None:
    """Write the learning curve: mean and range over the seeds, with the scripted policies as lines."""
    import matplotlib  # only this needs it

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "esper", "font.size": 11})
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    updates = range(1, options.updates + 1)
    by_update = list(zip(*(seed.returns for seed in seeds), strict=True))
    low, high = ([pick(column) for column in by_update] for pick in (min, max))
    axes.fill_between(updates, low, high, color="#4c78a8", alpha=0.25, linewidth=0)
    axes.plot(updates, [statistics.fmean(column) for column in by_update], color="#4c78a8", linewidth=2)
    ends: dict[str, float] = {"Tamiyo": statistics.fmean(seed.last for seed in seeds)}
    for name in BASELINES:
        ends[name] = statistics.fmean(seed.scripted[name] for seed in seeds)
        axes.axhline(
            ends[name], color="#555555", linewidth=1, linestyle={"wait": "-", "random": ":"}.get(name, "--")
        )
    _write_names(axes, ends, options.updates)
    axes.set_xlabel(f"PPO update, each of {options.envs} episodes")
    axes.set_ylabel("mean episode return")
    axes.set_title(f"Preset {options.preset}: mean and range over {len(seeds)} seeds", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(1, options.updates)
    figure.savefig(options.picture, metadata={"Date": None, "Creator": None})


def _write_names(axes: Any, ends: dict[str, float], updates: int) -> None:
    """Name every line at its end, instead of in a legend; names that would overlap are moved apart."""
    low, high = axes.get_ylim()
    gap, last = (high - low) * 0.055, float("-inf")
    for name, height in sorted(ends.items(), key=lambda item: item[1]):
        last = max(height, last + gap)
        color = "#4c78a8" if name == "Tamiyo" else "#333333"
        axes.annotate(
            f"{name} {height:.2f}", (updates, last), xytext=(6, 0), textcoords="offset points",
            va="center", color=color, annotation_clip=False,
        )  # fmt: skip


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--envs", type=int, default=64)
    parser.add_argument("--preset", choices=list(PRESETS), default="lite")
    parser.add_argument("--episodes", type=int, default=4, help="episodes of every environment per baseline")
    parser.add_argument("--runs-dir", type=Path, help="keep the runs there")
    parser.add_argument("--picture", type=Path, help="draw the learning curve there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        runs_dir = options.runs_dir or Path(directory)
        seeds = [measure(seed, options, runs_dir) for seed in range(options.seeds)]
    print_table(seeds)
    if options.picture:
        draw(seeds, options)


if __name__ == "__main__":
    main()
