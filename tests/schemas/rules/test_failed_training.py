"""A training that ended with an error is a finding."""

import pytest

from esper_schemas.rules.diagnose import diagnose
from esper_schemas.snapshot import RunInfo, SanctumSnapshot


def test_an_error_is_a_critical_finding_with_its_reason():
    """The text of the error is its evidence, on one line of limited length."""
    (finding,) = diagnose(SanctumSnapshot(run=RunInfo(outcome="failed", reason="ValueError:\n  not valid")))
    (long,) = diagnose(SanctumSnapshot(run=RunInfo(outcome="failed", reason="x" * 1000)))

    assert (finding.rule, finding.severity) == ("training_failed", "critical")
    assert finding.evidence[0].text == "ValueError: not valid"
    assert len(long.evidence[0].text) == 160


@pytest.mark.parametrize("outcome", [None, "completed", "interrupted"])
def test_any_other_end_is_none(outcome):
    """Neither that of a training that goes on."""
    assert diagnose(SanctumSnapshot(run=RunInfo(outcome=outcome))) == []
