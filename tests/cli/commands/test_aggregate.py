"""`esper aggregate` turns its options into the settings of an aggregator."""

from pathlib import Path

import pytest

from esper_aggregator.foreground import AggregatorSettings
from esper_cli.commands import aggregate
from esper_schemas.declarations import RunThresholds


@pytest.fixture
def settings(run_esper, monkeypatch):
    """Runs `esper aggregate` without serving; returns the settings of the aggregator and stderr."""
    served = []
    monkeypatch.setattr(aggregate, "serve_until_stopped", served.append)

    def parse(*words):
        result = run_esper("aggregate", *words)
        assert result.code == 0, result.err
        return served.pop(), result.err

    return parse


def test_by_default_the_runs_directory_is_served(settings, monkeypatch):
    """The environment names it; a client's key in the environment is not used."""
    monkeypatch.setenv("ESPER_RUNS_DIR", "/elsewhere/runs")
    monkeypatch.setenv("ESPER_KEYS", "/a/client.key")

    assert settings() == (AggregatorSettings(runs_dir=Path("/elsewhere/runs")), "")


def test_every_option_is_a_setting(settings):
    """The other settings keep their default."""
    words = [
        "--runs-dir=r",
        "--listen=tcp://0.0.0.0:5556",
        "--server-keys=k",
        "--idle-exit=2.5",
        "--log-json",
    ]
    expected = AggregatorSettings(
        runs_dir=Path("r"), listen="tcp://0.0.0.0:5556", keys=Path("k"), idle_exit_s=2.5
    )

    assert settings(*words) == (expected, "")


def test_keys_is_the_deprecated_name_of_server_keys(settings):
    """It works and prints a notice."""
    given, err = settings("--keys", "k")

    assert given.keys == Path("k")
    assert err == "esper aggregate: --keys is deprecated; use --server-keys instead\n"


@pytest.mark.parametrize("value", ["nan", "-1", "inf", "soon"])
def test_an_invalid_time_is_wrong_usage(run_esper, value):
    """The error is one sentence."""
    code, _, err = run_esper("aggregate", "--idle-exit", value)

    assert code == 2
    assert err.startswith("esper aggregate: argument --idle-exit: must be ")
    assert err.count("\n") == 1


def test_thresholds_apply_to_all_runs(settings, run_esper, tmp_path):
    """They are read at the start, where a mistake is refused with its line."""
    file = tmp_path / "t.toml"
    file.write_text("[kl_divergence]\ncritical_above = 0.5\n")

    assert settings("--thresholds", file)[0].thresholds == RunThresholds(file.read_text())
    file.write_text("[rules.no_kl]\nupdates = 0\n")
    code, _, err = run_esper("aggregate", "--thresholds", file)
    assert code == 1
    assert f"{file}:2: updates of rules.no_kl must be a whole number" in err
