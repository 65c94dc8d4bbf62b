"""`python -m esper_trainer`: what it refuses before anything is started. Trainings are tested in
test_ranks.py.
"""

import pytest

from esper_cli import training_process

pytestmark = pytest.mark.process


@pytest.fixture
def run_trainer(capsys, tmp_path):
    """Runs the training process in this one; returns exit code, stdout and stderr."""

    def run(*words):
        try:
            code = training_process.main(["--runs-dir", str(tmp_path / "runs"), *words])
        except SystemExit as exit_:
            code = exit_.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--episodes", "0"], 2, "argument --episodes: must be at least 1, not 0"),
        (["--device", "cpu:one"], 2, "argument --device: must be cpu, cuda or cuda:INDEX, not 'cpu:one'"),
        (["--envs", "10", "--minibatches", "4"], 2, "10 environments cannot be split evenly"),
        (["--name", "a", "--resume", "b"], 2, "give one of them"),
        (["--no-tui"], 2, "unknown option --no-tui"),
        (["--aggregator", "x"], 1, "'x' is not an address"),
        (["--aggregator", "tcp://127.0.0.1:1", "--keys", "no/such.key"], 1, "no/such.key"),
        (["--name", "a/b"], 1, "a/b"),
        (["--resume", "none"], 1, "There is no run none"),
        (["--resume", "none", "--minibatches", "48"], 1, "There is no run none"),
    ],
)
def test_a_mistake_is_one_sentence(run_trainer, tmp_path, words, code, problem):
    """The exit code distinguishes wrong usage from other errors, and no directory is created."""
    got, out, err = run_trainer(*words)

    assert (got, out) == (code, "")
    assert err.startswith("python -m esper_trainer: ")
    assert problem in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_the_help_describes_the_process(run_trainer):
    """It has the settings of a training and none of the screen."""
    code, out, _ = run_trainer("--help")

    assert code == 0
    assert out.startswith("usage: python -m esper_trainer [OPTIONS]\n")
    assert "torchrun" in out
    assert "--learning-rate N" in out
    assert "--no-tui" not in out
