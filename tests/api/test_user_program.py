"""A program that uses only `esper_lite` passes a strict type checker and runs."""

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

PROGRAM = '''
"""Trains something, and looks at what was recorded."""

import sys
from pathlib import Path

import esper_lite
from esper_lite import (
    EsperError,
    Event,
    Finding,
    InvalidArgument,
    PPOUpdateCompleted,
    PPOUpdatePayload,
    Record,
    Refused,
    RolloutCompleted,
    Run,
    RunExists,
    RunStarted,
    Telemetry,
    Unreachable,
    connect,
    open_run,
    subscribe,
)


def train(telemetry: Telemetry, updates: int) -> None:
    for number in range(1, updates + 1):
        rollout = RolloutCompleted(
            update=number,
            env_steps=64,
            env_steps_total=64 * number,
            steps_per_second=1000.0,
            duration_ms=64.0,
            mean_return=float(number),
        )
        telemetry.emit(rollout)
        if telemetry.enabled:
            telemetry.emit(PPOUpdatePayload(policy_loss=-0.01, value_loss=0.4, entropy=0.69))


def record(runs_dir: Path, name: str, *, resume: bool = False) -> int:
    about = RunStarted(task="cart-pole", episodes=3, clip_range=0.2, config={"lr": 3e-4, "env": "CartPole"})
    with connect(
        name,
        started=about,
        runs_dir=runs_dir,
        aggregator=False,
        rank=0,
        world_size=1,
        resume=resume,
        spool_quota="64M",
    ) as telemetry:
        train(telemetry, 3)
    lost: int = telemetry.stats.dropped + telemetry.stats.held
    return lost


def losses(path: Path) -> list[float]:
    found: list[float] = []
    with subscribe(path, kinds=[PPOUpdateCompleted, "RunFinished"], timeout=0.1) as subscription:
        for record in subscription:
            match record.event:
                case PPOUpdateCompleted(update=update, payload=payload):
                    print(f"update {update}", record.producer, record.seq)
                    if payload.value_loss is not None:  # measured
                        found.append(payload.value_loss)
    return found


def kinds(run: Run) -> set[str]:
    records: list[Record] = list(run.records())
    return {type(record.event).__name__ for record in records if isinstance(record.event, Event)}


def main() -> None:
    runs_dir = Path(sys.argv[1])
    assert record(runs_dir, "mine") == 0
    assert losses(runs_dir / "mine") == [0.4, 0.4, 0.4]
    run = open_run(runs_dir / "mine")
    findings: tuple[Finding, ...] = run.findings()
    started = run.started
    assert started is not None
    print(run.name, run.path, started.task, run.config["lr"], sorted(kinds(run)))
    print([(finding.severity, finding.title) for finding in findings])
    print(run.snapshot().tamiyo.ppo_updates_count, run.snapshot(at=3).events_folded)
    for name in ("mine", "no name"):
        try:
            record(runs_dir, name)
        except (RunExists, InvalidArgument) as error:
            print(type(error).__name__)
        except (Refused, Unreachable):
            raise
        except EsperError as error:
            raise SystemExit(str(error)) from error
    assert record(runs_dir, "mine", resume=True) == 0
    print(esper_lite.__version__ != "")


if __name__ == "__main__":
    main()
'''

MISTAKES = """
from esper_lite import PPOUpdatePayload, RunStarted, connect, open_run, subscribe

connect("r", run_dir="runs")
connect("r", started="cart-pole")
connect("r").emit("text")
connect("r").close("finished")
connect("r").stats.lost
RunStarted(task=1)
PPOUpdatePayload(policy_loss="low")
subscribe(kinds=[3])
open_run("r").snapshot(update=3)
open_run("r").findings()[0].fix
"""


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Type-checks a program with `mypy --strict`, without the configuration of this project."""
    directory = tmp_path_factory.mktemp("program")

    def run(text):
        (directory / "program.py").write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "program.py"]
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)

    return run


@pytest.mark.process
def test_the_program_type_checks(check):
    """Every name, argument and result that it uses has a type."""
    checked = check(PROGRAM)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.process
def test_mistakes_are_type_errors(check):
    """There is an error in each line, so nothing in the API is `Any`."""
    checked = check(MISTAKES)
    lines = {int(number) for number in re.findall(r"^program\.py:(\d+): error", checked.stdout, re.MULTILINE)}

    assert lines == set(range(4, 4 + 10)), checked.stdout


@pytest.mark.process
def test_the_program_runs(tmp_path):
    """It records, subscribes, reads, is refused, and resumes."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path / "runs")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert lines[:3] == [f"update {number} trainer:0 {2 * number}" for number in (1, 2, 3)]
    assert "cart-pole 0.0003" in lines[3]
    assert lines[5:] == ["3 3", "RunExists", "InvalidArgument", "True"]
