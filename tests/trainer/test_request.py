"""A request describes what is trained, where it is recorded, and which aggregator gets the events."""

from pathlib import Path

import pytest

from esper_bus import addresses
from esper_schemas.errors import EsperError, InvalidArgument
from esper_trainer.config import TrainingConfig
from esper_trainer.request import TrainingRequest


def test_settings_that_are_not_given_have_their_defaults(tmp_path):
    """Those that are given are checked."""
    request = TrainingRequest(runs_dir=tmp_path, settings={"episodes": 3})

    assert request.config() == TrainingConfig(episodes=3)
    with pytest.raises(InvalidArgument, match="episodes must be at least 1"):
        TrainingRequest(runs_dir=tmp_path, settings={"episodes": 0}).config()


def test_a_run_has_the_given_name_or_its_preset_and_the_time(tmp_path):
    """A given name takes precedence."""
    assert TrainingRequest(runs_dir=tmp_path, name="mine").run_name() == "mine"
    assert TrainingRequest(runs_dir=tmp_path, settings={"preset": "full"}).run_name().startswith("full-20")


@pytest.mark.parametrize(
    ("profile", "profile_dir", "traces"),
    [(False, None, None), (True, None, Path("run/profile")), (True, Path("x"), Path("x"))],
)
def test_traces_go_into_the_run_unless_a_directory_is_given(tmp_path, profile, profile_dir, traces):
    """Without `profile` there is no directory."""
    request = TrainingRequest(runs_dir=tmp_path, profile=profile, profile_dir=profile_dir)

    assert request.traces_dir(Path("run")) == traces


def test_the_aggregator_is_that_of_the_runs_directory_or_the_one_named(tmp_path):
    """A malformed address is refused."""
    assert TrainingRequest(runs_dir=tmp_path).endpoints() == addresses.for_runs_dir(tmp_path)
    named = TrainingRequest(runs_dir=tmp_path, aggregator="tcp://127.0.0.1:7000")
    assert named.endpoints().ingest == "tcp://127.0.0.1:7000"
    with pytest.raises(InvalidArgument):
        TrainingRequest(runs_dir=tmp_path, aggregator="http://x").endpoints()


def test_a_key_is_used_for_tcp_only(tmp_path):
    """A missing key file is ignored over ipc, and an error over tcp."""
    absent = tmp_path / "no.key"

    assert TrainingRequest(runs_dir=tmp_path, keys=absent).client_keys() is None
    with pytest.raises(EsperError, match=r"no\.key"):
        TrainingRequest(runs_dir=tmp_path, aggregator="tcp://127.0.0.1:7000", keys=absent).client_keys()
