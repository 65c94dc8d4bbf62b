"""An implausible value is a finding, which names the value, the range and the usual cause."""

import pytest

from esper_schemas.declarations import HeadSpec, RunThresholds
from esper_schemas.findings import Symptom
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import TamiyoState


def found(metric, value, thresholds="", **symptom):
    """The findings about a run with one implausible value."""
    streak = Symptom(name="implausible", metric=metric, value=value, worst=value, since_update=7, **symptom)
    tamiyo = TamiyoState(head_specs=(HeadSpec("move", 4),), thresholds=RunThresholds(thresholds))
    return diagnose(SanctumSnapshot(symptoms=(streak,), tamiyo=tamiyo))


@pytest.mark.parametrize(
    ("metric", "value", "title", "cause"),
    [
        (
            "explained_variance",
            1.7,
            "Explained variance is 1.7, but it must be at most 1",
            "the formula",
        ),
        ("clip_fraction", 40.0, "Clip fraction is 40, but it must be between 0 and 1", "the unit"),
        ("value_loss", -3.0, "Value loss is -3, but it must be at least 0", "Check the sign"),
        ("entropy", -3.0, "Entropy is -3, but it must be at least 0", "an entropy loss is the negative"),
        ("kl_divergence", -0.5, "KL divergence is -0.5, but it must be at least 0", "Check the estimator"),
        (
            "heads/move/entropy",
            2.0,
            "Entropy of move is 2, but it must be between 0 and 1.4",
            "the unit",
        ),
    ],
)
def test_the_finding_names_value_range_and_cause(metric, value, title, cause):
    """It is a warning since the first such update, about that metric."""
    (finding,) = found(metric, value)

    assert (finding.rule, finding.severity, finding.since_update) == ("implausible_value", "warning", 7)
    assert finding.title == title
    assert cause in finding.advice[0]
    assert finding.metrics == (metric,)
    assert finding.evidence[0].update == 7


def test_a_value_that_is_plausible_again_is_not_a_finding():
    """Nor is one where the run disables the rule."""
    assert found("value_loss", -3.0, active=False) == []
    assert found("value_loss", -3.0, thresholds="[rules.implausible_value]\nenabled = false\n") == []
