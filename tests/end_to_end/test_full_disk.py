"""A disk that fills up during a training: training continues, and the loss of events is reported."""

import json
import shlex

import pytest

pytestmark = pytest.mark.process


def test_a_full_disk_stops_the_recording_and_not_the_training(playground, commands):
    """No file can grow beyond 40 KiB, of which 28 are the schema; the events before that are readable."""
    train = [*commands["train"], "--envs", "8", "--episodes", "10", "--name", "full"]
    result = playground.run(["bash", "-c", f"ulimit -f 40; exec {shlex.join(train)}"])
    verified = playground.run([*commands["esper"], "log", "verify", playground.runs_dir / "full", "--json"])
    verdict = json.loads(verified.stdout)

    assert "completed: 10 updates" in result.stdout
    assert result.returncode == 1
    assert "events were not recorded" in result.stderr
    assert "Traceback" not in result.stderr
    assert verdict["ok"] is True
    assert verdict["events"] > 0
