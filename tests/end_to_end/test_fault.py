"""A training that is broken on purpose: whoever looks at its record is told so first."""

import json

import pytest

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def run_dir(playground, commands):
    """A training with a hundred times the usual learning rate."""
    options = ["--episodes", "8", "--envs", "8", "--learning-rate", "0.15", "--name", "broken"]
    result = playground.run([*commands["train"], *options])
    assert result.returncode == 0, result.stderr
    return str(playground.runs_dir / "broken")


def test_the_state_names_the_finding_first(run_dir, playground, commands):
    """Before anything else, with its beginning, its evidence and what to try."""
    result = playground.run([*commands["esper"], "state", run_dir])
    told = json.loads(result.stdout)
    worst = told["findings"][0]

    assert next(iter(told)) == "findings"
    assert worst["severity"] == "critical"
    assert worst["rule"] in ("large_updates", "policy_collapse")
    assert 1 <= worst["since_update"] <= 8
    assert "KL divergence" in " ".join(link["text"] for link in worst["evidence"])
    assert worst["advice"]


def test_diagnose_fails_for_it_where_a_script_asks(run_dir, playground, commands):
    """Exit code 1, and still all that is to be said."""
    result = playground.run([*commands["esper"], "diagnose", run_dir, "--fail-on", "critical"])

    assert result.returncode == 1
    assert "CRITICAL since update" in result.stdout


def test_sanctum_shows_it(run_dir, playground, commands):
    """In one frame of the recorded run."""
    result = playground.run([*commands["sanctum"], run_dir, "--once"])

    assert result.returncode == 0, result.stderr
    assert "FINDINGS" in result.stdout
