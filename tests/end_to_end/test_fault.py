"""A training that is broken on purpose: its record shows the finding first."""

import json

import pytest

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def run_dir(playground, commands):
    """The directory of a training with a hundred times the usual learning rate."""
    options = ["--episodes", "8", "--envs", "8", "--learning-rate", "0.15", "--name", "broken"]
    result = playground.run([*commands["train"], *options])
    assert result.returncode == 0, result.stderr
    return str(playground.runs_dir / "broken")


def test_the_state_names_the_finding_first(run_dir, playground, commands):
    """The finding has its first update, its evidence and its advice."""
    result = playground.run([*commands["esper"], "state", run_dir])
    state = json.loads(result.stdout)
    worst = state["findings"][0]

    assert next(iter(state)) == "findings"
    assert worst["severity"] == "critical"
    assert worst["rule"] in ("large_updates", "head_collapse", "policy_collapse")
    assert 1 <= worst["since_update"] <= 8
    assert "KL divergence" in " ".join(link["text"] for link in worst["evidence"])
    assert worst["advice"]


def test_diagnose_fails_if_a_script_requests_it(run_dir, playground, commands):
    """The exit code is 1, and the finding is still printed."""
    result = playground.run([*commands["esper"], "diagnose", run_dir, "--fail-on", "critical"])

    assert result.returncode == 1
    assert "CRITICAL since update" in result.stdout


def test_sanctum_shows_the_findings(run_dir, playground, commands):
    """The frame of the recorded run has the panel of findings."""
    result = playground.run([*commands["sanctum"], run_dir, "--once"])

    assert result.returncode == 0, result.stderr
    assert "FINDINGS" in result.stdout
