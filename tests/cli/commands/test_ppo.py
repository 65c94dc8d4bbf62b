"""`esper ppo` decides how to run a training; the trainings themselves are tested end to end."""

import subprocess
import sys

import pytest

from esper_cli.commands import ppo
from esper_cli.options.argument_parser import OneSentenceParser
from esper_cli.options.command import Command, run_command_line


@pytest.fixture
def started(run_esper, monkeypatch):
    """Runs `esper ppo` on a terminal up to the start of processes; returns the arguments of that start."""
    seen = []

    def beside(request, command, run_dir):
        seen.append((request, list(command), run_dir))
        return 0

    def with_ranks(words, ranks):
        seen.append((words, ranks))
        return 0

    monkeypatch.setattr(ppo, "train_beside_sanctum", beside)
    monkeypatch.setattr(ppo, "train_with_ranks", with_ranks)

    def run(*words):
        for stream in (sys.stdout, sys.stdin):
            monkeypatch.setattr(stream, "isatty", lambda: True)
        result = run_esper("ppo", *words)
        assert result.code == 0, result.err
        return seen.pop()

    return run


def parsed(words):
    """The options that a command line is parsed to."""
    parser = OneSentenceParser(prog="esper ppo")
    options = []
    command = Command(ppo.PpoOptions, lambda given: options.append(given) or 0)
    command.add_to(parser)
    run_command_line(parser, words)
    return options[0]


def test_on_a_terminal_the_training_has_a_process_of_its_own(started, tmp_path):
    """It has the same options, the chosen name, and no screen."""
    words = ["--runs-dir", tmp_path, "--preset", "full", "--episodes", "3", "--ranks", "2", "--envs", "8"]
    request, command, run_dir = started(*words)
    options = parsed(command[4:])

    assert command[:4] == [sys.executable, "-m", "esper_cli", "ppo"]
    assert options.no_tui
    assert options.settings == {"preset": "full", "episodes": 3, "environments": 8}
    assert options.ranks == 2
    assert run_dir == tmp_path / options.name
    assert options.name == request.name
    assert options.name.startswith("full-")
    assert run_dir.is_dir()


def test_several_processes_get_the_options_of_the_training(started, tmp_path):
    """Options of the screen and of log lines are left out."""
    words = ["--no-tui", "--log-json", "--runs-dir", tmp_path, "--name", "two", "--ranks", "2", "--envs", "4"]
    given, ranks = started(*words)

    assert ranks == 2
    assert given == ["--envs=4", f"--runs-dir={tmp_path}", "--name=two"]
    assert (tmp_path / "two").is_dir()


def test_processes_of_a_resumed_run_get_no_new_name(started, tmp_path):
    """The directory of the run is not created again."""
    given, _ = started("--no-tui", "--runs-dir", tmp_path, "--resume", "two", "--ranks", "2")

    assert given == [f"--runs-dir={tmp_path}", "--resume=two"]
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--envs", "10", "--ranks", "4"], "10 environments cannot be split evenly into 4 processes"),
        (["--envs", "10", "--minibatches", "4"], "10 environments cannot be split evenly into 4 minibatches"),
        (["--ranks", "0"], "argument --ranks: must be at least 1, not 0"),
        (["--name", "a", "--resume", "b"], "give one of them"),
        (["--checkpoint-every", "99999999999999999999999"], "must be at most 2147483647"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_trained_are_wrong_usage(run_esper, tmp_path, words, problem):
    """The error is one sentence, and no directory is created."""
    code, out, err = run_esper("ppo", "--no-tui", "--runs-dir", tmp_path / "runs", *words)

    assert (code, out) == (2, "")
    assert problem in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.process
def test_without_torch_training_says_what_to_install(tmp_path):
    """The error is one sentence, and the exit code is 1; the help still works."""
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from esper_cli.esper import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )

    def run(*arguments):
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    refused = run("ppo", "--no-tui")

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "pip install 'esper-lite[trainer]'" in refused.stderr
    assert run("ppo", "--help").returncode == 0


def test_thresholds_reach_every_process(started, tmp_path):
    """The path of the file is an option like any other."""
    file = tmp_path / "t.toml"
    file.write_text("[kl_divergence]\ncritical_above = 0.5\n")
    words = ["--thresholds", file, "--runs-dir", tmp_path, "--ranks", "2", "--envs", "8"]
    request, command, _ = started(*words)
    given, _ = started("--no-tui", *words, "--name", "two")

    assert request.thresholds == parsed(command[4:]).thresholds == file
    assert f"--thresholds={file}" in given


def test_thresholds_with_a_mistake_start_nothing(run_esper, tmp_path):
    """The error names the line, and there is no run."""
    file, runs = tmp_path / "t.toml", tmp_path / "runs"
    file.write_text("[kl_divergence]\nwarning_above = 0.5\n")
    code, _, err = run_esper("ppo", "--no-tui", "--thresholds", file, "--runs-dir", runs)

    assert code != 0
    assert f"{file}:2: the bands of kl_divergence are inverted" in err
    assert err.count("\n") == 1
    assert not runs.exists()
