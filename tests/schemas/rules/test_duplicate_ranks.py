"""Two processes that train as one rank at the same time are a finding; a rank started again is not."""

from msgspec import structs

from esper_schemas.findings import Symptom
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.rules.duplicate_ranks import MAX_EVIDENCE, duplicate_ranks
from esper_schemas.snapshot import RankState, SanctumSnapshot


def rank(number, producer, since, last, *, update=1, **fields):
    """A rank that trained from one time to another."""
    return RankState(
        producer=producer,
        rank=number,
        host=f"host-{producer}",
        pid=7,
        training_since_ns=since,
        training_since_update=update,
        last_event_ns=last,
        **fields,
    )


def test_two_producers_of_one_rank_at_the_same_time_are_a_critical_finding():
    """It names both processes, since when there are two, and how ranks are given."""
    (finding,) = duplicate_ranks([rank(0, "b", 30, 90, update=4), rank(0, "a", 10, 80), rank(1, "c", 10, 80)])

    assert (finding.rule, finding.severity, finding.since_update) == ("duplicate_rank", "critical", 4)
    assert finding.title == "Two processes are rank 0; only one counts"
    assert [(link.update, link.text) for link in finding.evidence] == [
        (1, "a: process 7 on host-a as rank 0"),
        (4, "b: process 7 on host-b as rank 0"),
    ]
    assert "RANK and WORLD_SIZE" in finding.advice[0]


def test_a_rank_that_was_started_again_under_another_name_is_not_a_finding():
    """The earlier process was silent when the later one began to train, or at the same moment."""
    assert duplicate_ranks([rank(0, "a", 10, 80), rank(0, "b", 90, 95)]) == []
    assert duplicate_ranks([rank(0, "a", 10, 80), rank(0, "b", 80, 95)]) == []


def test_a_process_that_has_not_trained_is_not_a_finding():
    """It may be an earlier one's successor that is still starting, or one whose rank is unknown."""
    assert duplicate_ranks([rank(0, "a", 10, 80), rank(0, "b", None, 70)]) == []


def test_two_processes_of_one_name_are_a_finding():
    """The log distinguishes them by their epochs."""
    (finding,) = duplicate_ranks([rank(0, "a", 10, 80, update=3, processes=2)])

    assert finding.title.startswith("Two processes are rank 0;")
    assert finding.since_update == 3
    assert finding.evidence[0].text == "a: process 7 on host-a and another one as rank 0"


def test_an_overlap_with_an_earlier_long_process_is_found():
    """The third one overlaps with the first, not with the second."""
    (finding,) = duplicate_ranks([rank(0, "a", 10, 90), rank(0, "b", 20, 30), rank(0, "c", 50, 60)])

    assert finding.title.startswith("3 processes are rank 0;")


def test_many_duplicates_are_one_finding_of_limited_size():
    """A whole training of 500 ranks that was started twice."""
    ranks = [rank(number, f"{name}:{number}", 10, 90) for number in range(500) for name in "ab"]
    (finding,) = duplicate_ranks(ranks)

    assert finding.title == "500 ranks have several processes each; only one of each counts"
    assert len(finding.evidence) == MAX_EVIDENCE


def test_different_ranks_are_not_a_finding():
    """Each is trained by one process."""
    assert duplicate_ranks([rank(0, "a", 10, 80), rank(1, "b", 10, 80)]) == duplicate_ranks([]) == []


def test_it_is_part_of_the_diagnosis():
    """Beside the findings from symptoms, and without any."""
    snapshot = SanctumSnapshot(ranks=(rank(0, "a", 10, 80), rank(0, "b", 10, 80)))
    sick = Symptom(name="loss_not_finite", metric="policy_loss", severity="not finite", since_update=1)

    assert [finding.rule for finding in diagnose(snapshot)] == ["duplicate_rank"]
    both = diagnose(structs.replace(snapshot, symptoms=(sick,)))
    assert [finding.rule for finding in both] == ["duplicate_rank", "loss_not_finite"]
