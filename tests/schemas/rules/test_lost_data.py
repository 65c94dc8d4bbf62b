"""What a recording lacks is a finding, since nobody can judge what is missing."""

import pytest

from esper_schemas.declarations import RunThresholds
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.rules.lost_data import lost_data
from esper_schemas.snapshot import Loss, SanctumSnapshot
from esper_schemas.state import TamiyoState

KINDS = ("missing", "dropped", "rejected", "values", "unwritten", "capacity")


def test_a_complete_recording_has_no_finding():
    """It is the usual case."""
    assert lost_data(()) == []
    assert diagnose(SanctumSnapshot()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_loss_has_its_number_its_beginning_and_advice(kind):
    """What does not fit into the state is in the log, and only worth knowing."""
    (finding,) = lost_data(
        (Loss(kind=kind, count=1_234, producer="trainer:3", since_update=7, last_update=9),)
    )

    assert (finding.rule, finding.since_update) == ("data_lost", 7)
    assert finding.severity == ("notice" if kind == "capacity" else "warning")
    assert finding.title.startswith("Data is lost: 1,234 ")
    assert finding.evidence[0].text.endswith("first of trainer:3")
    assert finding.evidence[0].later == "the last one at 9"
    assert len(finding.advice) == 1


def test_several_losses_are_one_finding():
    """It begins with the first of them."""
    losses = (Loss(kind="dropped", count=1, since_update=9), Loss(kind="rejected", count=2, since_update=4))
    (finding,) = lost_data(losses)

    assert finding.title == "Data is lost: 1 event was dropped, 2 events are not valid"
    assert [link.update for link in finding.evidence] == [4, 9]
    assert finding.since_update == 4


def test_a_run_can_disable_the_rule():
    """Its thresholds name it."""
    tamiyo = TamiyoState(thresholds=RunThresholds("[rules.data_lost]\nenabled = false\n"))

    assert diagnose(SanctumSnapshot(tamiyo=tamiyo, losses=(Loss(kind="missing", count=1),))) == []
