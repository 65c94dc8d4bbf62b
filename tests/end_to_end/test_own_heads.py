"""A training program with three heads of its own, seen while it runs: state, diagnosis and screen."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

PROGRAM = """
import sys
from esper_lite import DecisionMade, HeadMeasures, HeadSpec, PPOUpdatePayload, RunStarted, connect

heads = (HeadSpec("move", 5, choices=("stay", "go")), HeadSpec("aim", 9), HeadSpec("steer"))
with connect("three", started=RunStarted(task="t", heads=heads), runs_dir=sys.argv[1]) as telemetry:
    for line in sys.stdin:
        move, aim, steer = map(float, line.split())
        telemetry.emit(DecisionMade(1, 0, 2, {"move": 1, "aim": 7}, {"move": 0.5, "aim": 0.25}))
        telemetry.emit(PPOUpdatePayload(policy_loss=-0.01, kl_divergence=0.004, heads={
            "move": HeadMeasures(entropy=move, ratio_max=1.1, grad_norm=0.5),
            "aim": HeadMeasures(entropy=aim, ratio_max=1.2, grad_norm=0.5),
            "steer": HeadMeasures(entropy=steer, std=0.125, grad_norm=0.5),
        }))
        print("done", flush=True)
"""


@pytest.fixture
def program(playground, commands, wait_for):
    """The program, whose aggregator runs; a call makes an update with three entropies."""
    aggregator = playground.start([*commands["esper"], "aggregate", "--runs-dir", str(playground.runs_dir)])
    wait_for(lambda: "ready" in aggregator.stdout.readline(), what="the start of the aggregator")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(playground.runs_dir)],
        env=playground.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    playground.processes.append(process)

    def update(*entropies):
        process.stdin.write(" ".join(map(str, entropies)) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"

    return update


def test_own_heads_are_seen_while_the_program_runs(program, playground, commands, wait_for):
    """The state has their sizes and values, the screen their columns; the head that gets stuck is named."""
    for _ in range(5):
        program(1.5, 2.0, -1.0)
    for _ in range(3):
        program(1.5, 0.002, -1.0)

    def snapshot():
        shown = json.loads(playground.run([*commands["sanctum"], "--json"]).stdout)
        return shown["tamiyo"]["last_update"] == 8 and shown

    tamiyo = wait_for(snapshot, what="the eighth update")["tamiyo"]
    screen = playground.run([*commands["sanctum"], "--once"]).stdout.splitlines()
    table = {line.strip("│ ").split("  ")[0]: line for line in screen}
    run_dir = str(playground.runs_dir / "three")
    diagnosis = playground.run([*commands["esper"], "diagnose", run_dir, "--fail-on", "critical"])
    events = playground.run([*commands["esper"], "log", "cat", run_dir]).stdout

    assert [(spec["name"], spec["size"]) for spec in tamiyo["head_specs"]] == [
        ("move", 5),
        ("aim", 9),
        ("steer", None),
    ]
    assert {head: measures["entropy"] for head, measures in tamiyo["heads"].items()} == {
        "move": 1.5,
        "aim": 0.002,
        "steer": -1.0,
    }
    assert table["Entr"].split()[-4:-1] == ["1.500", "0.002✗", "-1.000"]
    assert any("±0.125" in line for line in screen)
    assert any("✗ The aim head has collapsed" in line for line in screen)
    assert diagnosis.returncode == 1
    assert "The aim head has collapsed to one choice  [head_collapse]" in diagnosis.stdout
    assert "move=1 aim=7 in environment 0, step 2" in events
    assert "t, heads move (5), aim (9), steer (continuous)" in events
