"""The options of a training become its request and can be written as options for another process."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from esper_cli.options.argument_parser import OneSentenceParser
from esper_cli.options.dataclass_options import add_options, command_line, parsed
from esper_cli.options.training_options import TrainingOptions
from esper_schemas.errors import InvalidArgument
from esper_schemas.settings import setting_fields
from esper_trainer.config import TrainingConfig


@pytest.fixture
def parse():
    """Parses a command line into options."""
    parser = OneSentenceParser(prog="train")
    add_options(parser, TrainingOptions)
    return lambda *words: parsed(TrainingOptions, parser.parse_args(words))


def test_without_options_the_defaults_hold(parse):
    """No setting counts as given, so that a resumed run keeps its own."""
    request = parse().request()

    assert request.settings == {}
    assert request.config() == TrainingConfig()
    assert (request.name, request.resume, request.profile, request.spool_quota) == (None, False, False, None)


def test_every_setting_is_an_option(parse):
    """It has the name of the field unless the setting names another; a flag turns the default off."""
    words, expected = [], {}
    for name, field in setting_fields(TrainingConfig).items():
        option = field.setting.option or f"--{'no-' if field.default is True else ''}{name.replace('_', '-')}"
        if field.kind is bool:
            words, expected[name] = [*words, option], not field.default
        else:
            value = field.setting.choices[-1] if field.setting.choices else field.default
            words, expected[name] = [*words, option, str(value)], value

    assert list(expected) == [field.name for field in fields(TrainingConfig)]
    assert parse(*words).settings == expected


EVERYTHING = [
    "--episodes=3", "--envs=8", "--learning-rate=1e-05", "--device=cuda:1", "--no-capture", "--compile",
    "--runs-dir=/some where/runs", "--name=mine", "--aggregator=tcp://127.0.0.1:5556", "--keys=/a/b.key",
    "--profile=traces", "--spool-quota=64M", "--patience=7",
]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [[], EVERYTHING, ["--resume=mine", "--seed=0"], ["--profile"], ["--episodes=100"]],
    ids=lambda words: " ".join(words[-2:]),
)
def test_a_command_line_is_parsed_back_to_the_same_options(parse, words):
    """This starts processes with the same options; a setting that is given its default is included."""
    options = parse(*words)

    assert parse(*command_line(options)) == options


def test_a_run_is_named_or_gets_a_name(parse):
    """A generated name begins with the preset and the year."""
    assert parse("--name", "mine").request().run_name() == "mine"
    assert parse("--preset", "full").request().run_name().startswith("full-2")
    resumed = parse("--resume", "mine").request()
    assert (resumed.run_name(), resumed.resume) == ("mine", True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--name", "a", "--resume", "b"], "give one of them"),
        (["--envs", "10", "--minibatches", "4"], "cannot be split evenly into 4 minibatches"),
    ],
)
def test_conflicting_options_are_refused(parse, words, problem):
    """Each of them is valid by itself."""
    with pytest.raises(InvalidArgument, match=problem):
        parse(*words)


def test_settings_of_a_resumed_run_are_not_checked_on_their_own(parse):
    """They can be checked only together with those of its checkpoint."""
    assert parse("--resume", "mine", "--minibatches", "48").settings == {"minibatches": 48}


def test_events_go_to_the_aggregator_of_the_runs_directory_or_to_the_one_named(parse, tmp_path):
    """A malformed URL is refused."""
    assert "ipc://" in parse("--runs-dir", str(tmp_path)).request().endpoints().ingest
    named = parse("--aggregator", "tcp://127.0.0.1:7000").request()
    assert named.endpoints().ingest == "tcp://127.0.0.1:7000"
    with pytest.raises(InvalidArgument):
        parse("--aggregator", "http://example.org").request().endpoints()


def test_a_profile_is_written_to_the_requested_directory(parse):
    """The default is a directory of the run."""
    run_dir = Path("runs/mine")

    assert parse().request().traces_dir(run_dir) is None
    assert parse("--profile").request().traces_dir(run_dir) == run_dir / "profile"
    assert parse("--profile", "x").request().traces_dir(run_dir) == Path("x")


@pytest.mark.parametrize("text", ["1M", "", "much"])
def test_a_spool_quota_is_a_size(parse, capsys, text):
    """It is at least 16 MiB and is parsed to bytes."""
    assert parse("--spool-quota", "64M").request().spool_quota == 64 * 2**20
    with pytest.raises(SystemExit):
        parse(f"--spool-quota={text}")
    assert (
        f"--spool-quota: must be at least 16 MiB, written as 500M or 4G, not '{text}'"
        in capsys.readouterr().err
    )


def test_a_key_file_may_be_named_by_the_environment(parse, monkeypatch):
    """An option takes precedence."""
    monkeypatch.setenv("ESPER_KEYS", "/env.key")

    assert parse().keys == Path("/env.key")
    assert parse("--keys", "/own.key").keys == Path("/own.key")


@pytest.mark.process
def test_options_are_read_without_torch():
    """`--help` is quick, and works where torch is not installed."""
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from esper_cli.training_process import main\n"
        "main(['--help'])\n"
    )

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr
