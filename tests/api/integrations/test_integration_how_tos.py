"""The programs of the how-tos about libraries run unchanged except for the number of steps."""

import importlib.util

import pytest
from tests.api.test_how_tos import environment, home, programs, run

from esper_lite import open_run

__all__ = ["environment", "home", "run"]

pytestmark = [pytest.mark.process, pytest.mark.slow]


def needs(*libraries):
    """Skips a test without these libraries."""
    missing = [library for library in libraries if not importlib.util.find_spec(library)]
    return pytest.mark.skipif(bool(missing), reason=f"without {missing}")


@needs("stable_baselines3")
def test_the_callback_of_stable_baselines3_records_a_run(run, home):
    """Alone, and as a context manager."""
    for name, program in zip(
        ("cartpole", "interruptible"), programs("record-stable-baselines3.md"), strict=True
    ):
        shorter = program.replace("20_000", "2_048").replace("5_000", "2_048")
        done = run(shorter)
        snapshot = open_run(home / "runs" / name).snapshot()

        assert (done.returncode, done.stderr) == (0, "")
        assert (snapshot.run.outcome, snapshot.ranks[0].last_update) == ("completed", 1)
        assert snapshot.run.task == "CartPole-v1"


@needs("torch", "tensorboard")
def test_the_mirror_records_what_is_written_for_tensorboard(run, home):
    """The line of the page, and then a program that writes."""
    line, _ = programs("record-cleanrl.md")
    writes = (
        "from torch.utils.tensorboard import SummaryWriter\n"
        "with SummaryWriter('tb/experiment') as writer: writer.add_scalar('losses/approx_kl', 0.25, 128)\n"
    )
    done = run(f"{line}\n{writes}")

    assert (done.returncode, done.stderr) == (0, "")
    assert open_run(home / "runs" / "experiment").snapshot().tamiyo.kl_divergence == 0.25


def test_the_look_alike_of_the_writer_records_a_run(run, home):
    """It needs no other library."""
    _, program = programs("record-cleanrl.md")
    done = run("import sys; sys.modules['torch'] = sys.modules['tensorboard'] = None\n" + program)
    snapshot = open_run(home / "runs" / "cartpole").snapshot()

    assert (done.returncode, done.stderr) == (0, "")
    assert (snapshot.run.task, snapshot.run.environments, snapshot.run.outcome) == (
        "CartPole-v1",
        4,
        "completed",
    )
    assert (snapshot.tamiyo.kl_divergence, snapshot.ranks[0].last_update) == (0.004, 9)
    assert snapshot.scalars["my/metric"].value == 5


@needs("torchrl")
def test_the_logger_of_torchrl_records_a_loop(run, home):
    """The library warns of its own code, so that warnings are not errors here."""
    (program,) = programs("record-torchrl.md")
    done = run("import warnings; warnings.simplefilter('ignore')\n" + program)
    snapshot = open_run(home / "runs" / "cartpole").snapshot()

    assert done.returncode == 0, done.stderr
    assert (snapshot.run.task, snapshot.run.clip_range, snapshot.ranks[0].last_update) == (
        "CartPole-v1",
        0.2,
        4,
    )
    assert snapshot.tamiyo.policy_loss == -0.01
