"""`esper baseline` prints the returns of scripted policies over several seeds."""

import json
import statistics
import subprocess
import sys

import pytest

from esper_cli import esper
from esper_trainer.environments.morph.scripted_baselines import BASELINES


@pytest.fixture
def baseline(capsys):
    """Runs `esper baseline` with four environments; returns exit code, stdout and stderr."""
    return lambda *words: (esper.main(["baseline", "--envs", "4", *words]), *capsys.readouterr())


@pytest.mark.slow
def test_every_scripted_policy_has_its_mean_and_spread(baseline):
    """The table agrees with the JSON, and growing an MLP beats waiting."""
    code, table, _ = baseline("--seeds", "2")
    results = json.loads(baseline("--seeds", "2", "--json")[1])
    header, *lines = table.splitlines()
    rows = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in lines}

    assert code == 0
    assert "mean return" in header
    assert list(rows) == list(results) == list(BASELINES)
    for name, by_seed in results.items():
        returns = [result["mean_return"] for result in by_seed]
        assert len(set(returns)) == 2
        assert rows[name][0] == pytest.approx(statistics.fmean(returns), abs=1e-3)
        assert rows[name][1] == pytest.approx(statistics.pstdev(returns), abs=1e-3)
    assert rows["grow_mlp"][0] > rows["wait"][0]


@pytest.mark.parametrize(
    "words", [("--seeds", "0"), ("--envs", "0"), ("--envs", "100000000000")], ids=" ".join
)
def test_numbers_out_of_bounds_are_wrong_usage(baseline, capsys, words):
    """The exit code is 2, and one sentence names the option."""
    with pytest.raises(SystemExit) as stopped:
        baseline(*words)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith(f"esper baseline: argument {words[0]}: must be at ")


def test_a_missing_device_is_one_sentence(baseline):
    """The exit code is 1, and there is no table."""
    code, out, err = baseline("--device", "cuda:77")

    assert (code, out, err.count("\n")) == (1, "", 1)


@pytest.mark.process
def test_too_many_environments_for_the_memory_are_one_sentence():
    """The sentence says what to choose instead."""
    command = f"ulimit -v 8000000; exec {sys.executable} -m esper_cli baseline --envs 2000000000"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1), result.stderr
    assert "choose fewer --envs" in result.stderr
