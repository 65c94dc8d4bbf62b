"""The command line of a training run, which knows no torch."""

import argparse
import subprocess
import sys
from dataclasses import fields

import pytest

from esper_schemas.errors import InvalidArgument
from esper_schemas.settings import setting_fields
from esper_trainer.config import TrainingConfig
from esper_trainer.options import (
    add_training_arguments,
    command_line,
    request_from,
)


@pytest.fixture
def parse():
    """Parses a command line."""
    parser = argparse.ArgumentParser()
    add_training_arguments(parser)
    return lambda *words: parser.parse_args(words)


def test_without_options_the_defaults_hold(parse):
    """Those of the config, written once."""
    assert request_from(parse()).config() == TrainingConfig()


def test_every_training_option_reaches_the_config(parse):
    """By the name that it has there."""
    arguments = parse(
        *("--episodes", "3", "--envs", "8", "--preset", "full", "--device", "cuda:1"),
        *("--seed", "5", "--threads", "1"),
    )

    assert request_from(arguments).config() == TrainingConfig(
        episodes=3, environments=8, preset="full", device="cuda:1", seed=5, threads=1
    )


def test_every_setting_has_an_option(parse):
    """All of the training can be chosen on the command line."""
    assert {field.name for field in fields(TrainingConfig)} <= vars(parse()).keys()


def test_a_command_line_says_again_what_it_was_parsed_from(parse):
    """Every option there is, so that processes can be started with the same; a resumed run has its name."""
    parser = argparse.ArgumentParser()
    add_training_arguments(parser)
    values = {
        "device": "cuda:1",
        "learning_rate": "1e-05",
        "aggregator": "tcp://127.0.0.1:5556",
        "gamma": "0.7",
    }
    values |= dict.fromkeys(["gae_lambda", "learning_rate_final", "entropy_final"], "0.5")
    choices = {
        name: f.setting.choices[-1] for name, f in setting_fields(TrainingConfig).items() if f.setting.choices
    }
    words = []
    for action in parser._actions[1:]:
        if action.dest != "resume":
            value = values.get(action.dest) or choices.get(action.dest, "7")
            words += [] if action.nargs == 0 else [action.option_strings[0], value]
    given = parse(*words)
    resumed = parse("--resume", "mine", "--episodes", "3")
    resumed.name = "mine"

    assert parse(*command_line(given)) == given
    assert parse(*command_line(resumed)).resume == "mine"


@pytest.mark.parametrize("option", ["--episodes", "--envs"])
def test_impossible_numbers_are_refused_by_name(parse, capsys, option):
    """Zero of them is no training."""
    with pytest.raises(SystemExit):
        parse(option, "0")
    assert "must be at least 1, not 0" in capsys.readouterr().err


def test_a_run_is_named_or_gets_a_name(parse):
    """The preset, and when it began."""
    assert request_from(parse("--name", "mine")).run_name() == "mine"
    assert request_from(parse("--preset", "full")).run_name().startswith("full-2")
    assert request_from(parse("--resume", "mine")).run_name() == "mine"


def test_events_go_to_the_aggregator_of_the_runs_directory_or_to_the_one_named(parse, tmp_path):
    """A URL that cannot be is refused."""
    assert "ipc://" in request_from(parse("--runs-dir", str(tmp_path))).endpoints().ingest
    assert (
        request_from(parse("--aggregator", "tcp://127.0.0.1:7000")).endpoints().ingest
        == "tcp://127.0.0.1:7000"
    )
    with pytest.raises(InvalidArgument):
        request_from(parse("--aggregator", "http://example.org")).endpoints()


def test_a_spool_has_the_quota_that_was_given(parse):
    """Otherwise that of the environment, which the emitter reads; what is no size is refused."""
    assert request_from(parse("--spool-quota", "64M")).spool_quota == 64 * 2**20
    assert request_from(parse()).spool_quota is None
    for text in ("1M", "", "much"):
        with pytest.raises(InvalidArgument, match=f"--spool-quota is '{text}'"):
            request_from(parse(f"--spool-quota={text}"))


def test_options_are_read_without_torch():
    """`--help` has to be quick, and to work where torch is missing."""
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import argparse, esper_trainer.options as options\n"
        "options.add_training_arguments(argparse.ArgumentParser())\n"
    )

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr
