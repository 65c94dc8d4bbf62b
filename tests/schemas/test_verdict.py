"""The verdict: one word and its reason, from the findings."""

import pytest

from esper_schemas.codec import decode_snapshot, encode_snapshot
from esper_schemas.findings import Finding, Verdict, VerdictWord
from esper_schemas.rules.rules import RULES
from esper_schemas.snapshot import EMPTY_SNAPSHOT, SanctumSnapshot
from esper_schemas.state import TamiyoState
from esper_schemas.verdict import short_title, verdict_of, verdict_text

TRAINED = TamiyoState(ppo_data_received=True, ppo_updates_count=500, last_update=500)


def finding(rule, severity, since=412, **fields):
    """A finding of a rule."""
    return Finding(rule=rule, severity=severity, title="A title.", since_update=since, **fields)


COLLAPSE = finding("policy_collapse", "critical")
CRITIC = finding("critic_idle", "warning", 60)
CONVERGED = finding("policy_converged", "notice", 75)
FALLEN = finding("return_collapse", "notice", 80)


def text(*findings, tamiyo=TRAINED):
    """The verdict on a run with these findings."""
    return verdict_text(verdict_of(SanctumSnapshot(findings=findings, tamiyo=tamiyo)))


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ((), "HEALTHY"),
        ((FALLEN,), "HEALTHY"),
        ((CONVERGED,), "CONVERGED since 75"),
        ((FALLEN, CONVERGED), "CONVERGED since 75"),
        ((CRITIC, CONVERGED), "SUSPICIOUS critic idle since 60"),
        ((COLLAPSE, CRITIC, CONVERGED), "CRITICAL policy collapse since 412"),
    ],
)
def test_the_verdict_follows_from_the_most_severe_finding(findings, expected):
    """Notices other than convergence do not change it."""
    assert text(*findings) == expected


def test_before_the_first_update_there_is_no_data():
    """The values of the state are defaults then."""
    assert text(tamiyo=TamiyoState()) == "NO DATA"
    assert EMPTY_SNAPSHOT.verdict == Verdict(VerdictWord.NO_DATA)


def test_a_fault_that_is_found_without_an_update_counts():
    """A metric of the run's own can be beyond its bound in a run that logs nothing else."""
    own = finding("own_metric_critical", "critical", 3, metrics=("eval/reward",))

    assert text(own, tamiyo=TamiyoState()) == "CRITICAL eval/reward beyond its bound since 3"


def test_the_reason_names_the_head():
    """A finding of a head is about that head alone."""
    assert short_title(finding("head_collapse", "critical", head="op")) == "head collapse of op"


def test_the_reason_names_the_metric_that_is_implausible():
    """The name is that of the log, where it has to be corrected."""
    negative = finding("implausible_value", "warning", metrics=("kl_divergence",))

    assert short_title(negative) == "implausible kl_divergence"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_reason_of_every_rule_is_short(rule):
    """It fits into the first row of a narrow window."""
    assert len(short_title(finding(rule.id, rule.severity, metrics=("m",)))) <= 24


def test_a_snapshot_carries_its_verdict():
    """The bytes of a snapshot of an earlier aggregator are read as without data."""
    snapshot = SanctumSnapshot(verdict=Verdict(VerdictWord.CRITICAL, "policy collapse", 412))

    assert decode_snapshot(encode_snapshot(snapshot)) == snapshot
    assert decode_snapshot(encode_snapshot(EMPTY_SNAPSHOT)).verdict.word is VerdictWord.NO_DATA
