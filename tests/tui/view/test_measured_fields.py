"""Tests of esper_tui.view.measured_fields."""

import pytest
from tests.tui.foreign import LOGGED, sb3, sb3_state

from esper_schemas import QUANTITIES, TamiyoState
from esper_schemas.snapshot import EMPTY_SNAPSHOT, RunInfo
from esper_tui.view.measured_fields import is_of_tamiyo, measured_fields


def test_nothing_is_measured_before_the_first_update():
    """The defaults of the records, which are no measurements, do not count."""
    assert TamiyoState().joint_ratio_max == 1.0
    assert measured_fields(EMPTY_SNAPSHOT) == frozenset()


def test_what_the_last_update_measured_is_known():
    """Lv/Lp follows from the two losses."""
    assert measured_fields(sb3(histories={})) == {*LOGGED, "learning_rate", "loss_ratio"}
    assert "loss_ratio" not in measured_fields(sb3(sb3_state(policy_loss=None), histories={}))


def test_what_an_earlier_update_measured_is_known_too():
    """The histories reach a few updates back; one without a value, or of an unknown metric, says nothing."""
    histories = {"grad_norm": (1.5, None, None), "td_error_std": (None, None), "unheard of": (1.0,)}
    known = measured_fields(sb3(histories=histories))

    assert "grad_norm" in known
    assert known <= QUANTITIES.keys()
    assert "td_error_std" not in known


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (RunInfo(), True),
        (RunInfo(run="digits", baseline_return=0.0), True),
        (RunInfo(run="cartpole"), False),
    ],
)
def test_a_run_with_a_baseline_is_of_esper_s_own_trainer(run, expected):
    """So is one of which nothing is known yet."""
    assert is_of_tamiyo(run) is expected
