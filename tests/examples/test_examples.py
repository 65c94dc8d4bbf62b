"""The programs in `examples/` train for real, and Esper shows and names what happens in them."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.process


@pytest.fixture
def run(tmp_path):
    """Runs a command in an empty directory; a warning of a program is an error."""

    def execute(*command):
        done = subprocess.run(
            [sys.executable, "-W", "error", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout

    return execute


@pytest.fixture
def train(run):
    """Runs an example and returns the snapshot of its run."""

    def example(name, *options):
        run(str(EXAMPLES / f"{name}.py"), "--run", name, *options)
        return json.loads(run("-m", "esper_cli", "state", f"runs/{name}"))

    return example


@pytest.mark.slow
def test_three_heads_learn_and_nothing_is_wrong(train):
    """Every head has its own maximum, and the reward rises from chance to nearly its maximum of 2."""
    snapshot = train("three_heads")
    returns = snapshot["run"]["mean_return_history"]

    assert snapshot["findings"] == []
    assert snapshot["tamiyo"]["last_update"] == 60
    assert [(head["name"], head["size"]) for head in snapshot["run"]["heads"]] == [
        ("move", 5),
        ("aim", 9),
        ("fire", 2),
    ]
    assert returns[-1] > 1.7 > 1.3 > returns[0]


@pytest.mark.slow
@pytest.mark.parametrize("head", ["move", "aim", "fire"])
def test_the_head_that_is_made_deterministic_is_named_by_panel_and_finding(train, run, head):
    """The finding has the head and the update; the panel marks its entropy, and no other head's."""
    snapshot = train("three_heads", "--updates", "12", "--deterministic", head, "--from-update", "9")
    frame = run("-m", "esper_cli.sanctum", "--once", "runs/three_heads").splitlines()
    titles = next(line for line in frame if "move" in line and "aim" in line and "fire" in line)
    entropies = next(line for line in frame if line.strip("│ ").startswith("Entr  "))

    named = [(f["rule"], f["head"], f["since_update"]) for f in snapshot["findings"] if f["head"]]
    assert named == [("head_collapse", head, 9)]
    assert f"The {head} head has collapsed" in run("-m", "esper_cli", "diagnose", "runs/three_heads")
    assert entropies.count("✗") == 1
    assert titles.index(head) <= entropies.index("✗") <= titles.index(head) + len(head) + 1


@pytest.mark.slow
def test_a_gaussian_policy_has_negative_entropies_without_a_finding(train, run):
    """The deviations fall and the return rises; the panel shows both entropies and deviations."""
    snapshot = train("gaussian", "--updates", "60")
    heads = snapshot["tamiyo"]["heads"]
    frame = run("-m", "esper_cli.sanctum", "--once", "runs/gaussian")

    assert snapshot["findings"] == []
    assert all(measures["entropy"] < 0 for measures in heads.values())
    assert all(0.05 < measures["std"] < 0.3 for measures in heads.values())
    assert snapshot["run"]["mean_return_history"][-1] > snapshot["run"]["mean_return_history"][0]
    assert all(f"±{measures['std']:.3f}" in frame for measures in heads.values())


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("stable_baselines3"), reason="without stable-baselines3")
def test_stable_baselines3_learns_to_balance(train):
    """Updates, episodes and evaluations are recorded, and the return rises."""
    snapshot = train("stable_baselines3_cartpole", "--updates", "16")
    returns = snapshot["run"]["mean_return_history"]

    assert (snapshot["run"]["task"], snapshot["run"]["episodes"]) == ("CartPole-v1", 16)
    assert (snapshot["tamiyo"]["last_update"], snapshot["run"]["env_steps_total"]) == (16, 16 * 8 * 64)
    assert returns[-1] > 1.5 * returns[0]
    assert snapshot["episodes"]["completed"] > 50
    assert "eval/mean_reward" in snapshot["scalars"]


@pytest.mark.slow
@pytest.mark.skipif(not (find_spec("torch") and find_spec("gymnasium")), reason="without torch and gymnasium")
def test_a_program_in_the_style_of_cleanrl_learns_to_balance(train):
    """Its settings describe the run, and the return rises."""
    snapshot = train("cleanrl_ppo", "--updates", "16")
    returns = snapshot["run"]["mean_return_history"]

    assert (snapshot["run"]["task"], snapshot["run"]["environments"]) == ("CartPole-v1", 4)
    assert (snapshot["run"]["episodes"], snapshot["tamiyo"]["last_update"]) == (16, 16)
    assert snapshot["run"]["outcome"] == "completed"
    assert sum(returns[-3:]) > 1.5 * sum(returns[:3])
    assert abs(snapshot["tamiyo"]["kl_k1"] - snapshot["tamiyo"]["kl_divergence"]) < 0.1
