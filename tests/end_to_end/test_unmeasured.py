"""A trainer that measures little: the screen shows what it measured, and judges nothing else."""

import pytest

from esper_lite import PPOUpdatePayload, RolloutCompleted, connect, open_run

pytestmark = pytest.mark.process


@pytest.fixture
def run_dir(playground):
    """A run of updates with a policy loss and a KL divergence."""
    run_dir = playground.runs_dir / "little"
    if not run_dir.exists():
        with connect("little", runs_dir=playground.runs_dir, aggregator=False) as telemetry:
            for _ in range(20):
                telemetry.emit(PPOUpdatePayload(policy_loss=-0.01, kl_divergence=0.004))
    return run_dir


def test_the_state_has_nothing_that_was_not_measured(run_dir):
    """Neither zeros nor ratios of 1."""
    tamiyo = open_run(run_dir).snapshot().tamiyo

    assert (tamiyo.policy_loss, tamiyo.value_loss) == (-0.01, None)
    assert (tamiyo.joint_ratio_max, tamiyo.head_op_ratio_max, tamiyo.head_op_entropy) == (None, None, None)
    assert tamiyo.value_loss_history == (None,) * 10


@pytest.mark.parametrize("size", [("80", "24"), ("160", "50")])
def test_the_screen_marks_nothing_that_was_not_measured(playground, commands, run_dir, size):
    """No value is critical, none is a warning, and what was not measured has no row."""
    width, _ = size
    environment = {**playground.environment, "COLUMNS": width}
    result = playground.run([*commands["sanctum"], str(run_dir), "--once"], environment=environment)

    assert result.returncode == 0, result.stderr
    assert "✗" not in result.stdout
    assert "1.000" not in result.stdout
    assert "---" not in result.stdout
    assert "✓" not in "".join(row for row in result.stdout.splitlines() if "Rollbacks" in row)
    assert "P.Loss" in result.stdout
    assert "V.Loss" not in result.stdout


def test_a_diagnosis_finds_nothing_wrong(playground, commands, run_dir):
    """What is not measured is no symptom."""
    result = playground.run([*commands["esper"], "diagnose", str(run_dir), "--fail-on", "warning"])

    assert result.returncode == 0, result.stdout + result.stderr


def test_rollouts_before_the_first_finished_episode_are_no_fault(playground):
    """Their return is unknown; the returns that follow are judged as ever."""
    with connect("late", runs_dir=playground.runs_dir, aggregator=False) as telemetry:
        for update in range(1, 21):
            mean_return = None if update < 15 else float(update)
            telemetry.emit(RolloutCompleted(update=update, mean_return=mean_return))
            telemetry.emit(PPOUpdatePayload(policy_loss=-0.01))
    run = open_run(playground.runs_dir / "late")
    snapshot = run.snapshot()

    assert run.findings() == ()
    assert (snapshot.run.mean_return, snapshot.run.mean_return_history[:2]) == (20.0, (None, None))
