"""Record anew the trainings of which the documentation has pictures, each as one file in this directory.

    python -m docs.recordings            # all, in some minutes
    python -m docs.recordings collapse   # some, by name

Seeds are fixed. `python docs/make_screens.py` draws the pictures from the files.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from docs.recordings import libraries

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
Record = Callable[[str, Path], None]
"""Records a run of a name below a runs directory."""


COLLAPSE = "--episodes 40 --envs 16 --learning-rate 0.1 --warmup-updates 40"
"""The options of the training that the tutorial goes back in."""


def own(options: str) -> Record:
    """A training of the own trainer with these options of `esper ppo`."""

    def record(name: str, runs: Path) -> None:
        command = [sys.executable, "-m", "esper_cli", "ppo", *options.split(), "--name", name, "--no-tui"]
        subprocess.run([*command, "--runs-dir", str(runs)], check=True)

    return record


def example(script: str, *options: str) -> Record:
    """A training of one of the examples, which takes the name of its run as `--run`."""

    def record(name: str, runs: Path) -> None:
        command = [sys.executable, str(EXAMPLES / script), *options, "--run", name]
        subprocess.run(command, check=True, cwd=runs.parent)

    return record


RECORDINGS: dict[str, Record] = {
    "digits": own("--episodes 60"),
    "collapse": own(COLLAPSE),
    "sb3": example("stable_baselines3_cartpole.py", "--updates", "40"),
    "cleanrl": example("cleanrl_ppo.py", "--updates", "60"),
    "rsl-rl": libraries.record_rsl_rl,
    "torchrl": libraries.record_torchrl,
    "trl": libraries.record_trl,
}


def only_file(run: Path) -> Path:
    """The log of a run, or without an aggregator its spool; short runs have one file of each."""
    (file,) = [*(run / "log").glob("*.mcap")] or [*(run / "spool").glob("*.mcap")]
    return file


def main() -> None:
    """Record the runs that are named, or all."""
    parser = argparse.ArgumentParser(description="Record the trainings of the documentation.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECORDINGS))
    for name in parser.parse_args().names or RECORDINGS:
        with tempfile.TemporaryDirectory() as directory:
            runs = Path(directory) / "runs"
            RECORDINGS[name](name, runs)
            shutil.copyfile(only_file(runs / name), HERE / f"{name}.mcap")


if __name__ == "__main__":
    main()
