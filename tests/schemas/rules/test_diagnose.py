"""Findings follow from symptoms, are ranked, and have evidence."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from esper_schemas.codec import decode_snapshot, encode_snapshot, to_json
from esper_schemas.findings import Evidence, Symptom
from esper_schemas.heads import HEADS
from esper_schemas.rules.diagnose import SEVERITIES, diagnose
from esper_schemas.rules.quantities import NOT_FINITE, OTHER_NOT_FINITE
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.watches import WATCH_NAMES
from esper_schemas.snapshot import EMPTY_SNAPSHOT, RunInfo, SanctumSnapshot

NAMES = [*WATCH_NAMES, *sorted(set(NOT_FINITE.values())), OTHER_NOT_FINITE]


def symptom(name, since, *, updates=10, critical=True, value=1.0, head=None, active=True, last=None):
    """A streak of a number of updates, of which all or none are critical."""
    return Symptom(
        name=name,
        metric=f"head_{head}_x" if head else name,
        head=head,
        severity="critical" if critical else "warning",
        since_update=since,
        last_update=since + updates - 1 if last is None else last,
        updates=updates,
        critical_since=since if critical else None,
        critical_updates=updates if critical else 0,
        value=value,
        worst=value,
        worst_update=since,
        active=active,
    )


def rules_of(*symptoms, **run):
    """The ids of the findings, ranked."""
    return [f.rule for f in diagnose(SanctumSnapshot(symptoms=symptoms, run=RunInfo(**run)))]


def test_without_symptoms_there_are_no_findings():
    """The empty snapshot, as before the first update, has none."""
    assert diagnose(EMPTY_SNAPSHOT) == []


def test_a_chain_of_evidence_leads_to_the_head():
    """The KL spike is over when the head collapses, and is still the first evidence."""
    snapshot = SanctumSnapshot(
        symptoms=(
            symptom("large_kl", 41, updates=2, value=0.214, active=False),
            symptom("ratio_explosion", 42, updates=3, value=6.2, head="blueprint", active=False),
            symptom("ratio_explosion", 41, updates=1, value=7.7, head="alpha_curve", active=False),
            symptom("low_head_entropy", 44, value=0.0911, head="blueprint"),
        )
    )

    (finding,) = diagnose(snapshot)

    assert (finding.rule, finding.severity, finding.head) == ("head_collapse", "critical", "blueprint")
    assert finding.since_update == 44
    assert finding.evidence == (
        Evidence(41, "KL divergence 0.214", "over after 42"),
        Evidence(42, "blueprint ratio 6.2", "over after 44"),
        Evidence(44, "blueprint entropy 0.0911 of its maximum"),
    )
    assert "blueprint" in finding.title
    assert finding.advice


def test_critical_findings_come_first_then_what_began_first():
    """A later critical finding comes before an earlier warning, and a notice last."""
    warning = symptom("flat_values", 1, critical=False)
    late, notice = symptom("no_gradient", 60), symptom("lost_return", 50)

    assert rules_of(warning, late, notice) == ["vanishing_gradient", "value_collapse", "return_collapse"]


def test_an_earlier_cause_comes_first():
    """A later head collapse comes first, because its evidence begins with earlier large updates."""
    cause = symptom("large_kl", 45, active=False)

    found = rules_of(symptom("no_gradient", 50), symptom("low_head_entropy", 60, head="op"), cause)

    assert found == ["head_collapse", "vanishing_gradient"]


def test_a_converged_policy_is_not_a_collapsed_one():
    """What a low entropy means is what the return is now; without a return it is not known."""
    low, fallen = symptom("low_entropy", 100, updates=50), symptom("fallen_entropy", 100, updates=50)
    best, worse = symptom("return_near_best", 20, updates=130), symptom("return_not_kept", 120)
    was_best = symptom("return_near_best", 20, updates=90, active=False)

    assert rules_of(low) == rules_of(fallen) == ["low_entropy"]
    assert rules_of(low, best) == rules_of(fallen, best) == ["policy_converged"]
    assert rules_of(low, was_best, worse) == ["policy_collapse"]
    assert rules_of(low, symptom("constant_return", 90)) == ["policy_collapse", "no_reward_signal"]
    assert rules_of(low, best, symptom("large_kl", 95, active=False)) == ["policy_converged"]
    assert rules_of(low, best, symptom("large_kl", 140, active=False)) == []


def test_an_abrupt_collapse_is_one_finding():
    """By the head, if one has collapsed for more than a moment; otherwise of the policy."""
    low, fall = symptom("low_entropy", 50, updates=3), symptom("policy_entropy_fall", 50, updates=1)
    head_fall = symptom("head_entropy_fall", 50, updates=1, head="slot")
    moment = symptom("low_head_entropy", 50, updates=1, head="slot")

    assert rules_of(low, fall, head_fall, moment) == ["abrupt_collapse"]
    assert rules_of(low, fall, head_fall, replace(moment, updates=2, critical_updates=2)) == ["head_collapse"]


def test_a_policy_that_did_well_with_a_low_entropy_may_lose_its_return_for_a_while():
    """After 50 updates it has collapsed, since it lost the return."""
    low = replace(symptom("low_entropy", 100, updates=200), at_best=20)
    dip, loss = symptom("return_not_kept", 171, updates=40), symptom("return_not_kept", 171, updates=50)

    assert rules_of(low, dip) == []
    assert rules_of(replace(low, at_best=19), dip) == ["policy_collapse"]
    (collapse,) = diagnose(SanctumSnapshot(symptoms=(low, loss)))
    assert (collapse.rule, collapse.since_update) == ("policy_collapse", 171)


def test_a_single_outlier_is_not_a_finding():
    """At once are a value that is not finite, a KL divergence above 1, a broken identity, and a sum."""
    finite = [rules_of(symptom(name, 7, updates=1, head="op")) for name in WATCH_NAMES]

    assert sorted(filter(None, finite)) == [
        ["advantage_sign"],
        ["advantages_wrong"],
        ["gradient_not_finite"],
        ["gradient_not_finite"],
        ["implausible_value"],
        ["large_updates"],
        ["large_updates"],
        ["rewards_altered"],
        ["stale_log_probs"],
        ["stale_log_probs"],
    ]
    assert rules_of(symptom("loss_not_finite", 7, updates=1)) == ["loss_not_finite"]


def test_a_cause_suppresses_what_it_explains():
    """NaN rewards make the loss and the gradient NaN; there is one finding, with both as evidence."""
    snapshot = SanctumSnapshot(
        symptoms=(
            symptom("reward_not_finite", 9, updates=1, value=math.nan),
            symptom("loss_not_finite", 9, updates=1, value=math.nan),
            symptom("nan_gradient", 9, updates=1, value=812.0),
        )
    )

    (finding,) = diagnose(snapshot)

    assert finding.rule == "rewards_not_finite"
    assert [link.text for link in finding.evidence] == [
        "reward not finite NaN",
        "loss not finite NaN",
        "812 NaN entries in the gradient",
    ]


def test_a_finding_about_values_that_are_not_finite_does_not_end():
    """A finding about a large gradient ends."""
    assert rules_of(symptom("nan_gradient", 9, updates=1, active=False)) == ["gradient_not_finite"]
    assert rules_of(symptom("gradient_growth", 9, active=False)) == []


@pytest.mark.parametrize(("epochs", "expected"), [(1, []), (4, ["policy_frozen"]), (None, ["policy_frozen"])])
def test_a_single_epoch_explains_why_ratios_are_one(epochs, expected):
    """Then the KL divergence is measured before the only step, and no KL is not a finding."""
    assert rules_of(symptom("no_kl", 5), config={"epochs": epochs}) == expected


def test_every_head_has_a_finding_of_its_own():
    """Findings are in the order in which they began."""
    heads = [symptom("head_without_gradient", 9 - n, head=head) for n, head in enumerate(HEADS)]

    found = diagnose(SanctumSnapshot(symptoms=tuple(heads)))

    assert [finding.head for finding in found] == list(reversed(HEADS))
    assert {finding.rule for finding in found} == {"head_frozen"}


def test_rules_name_symptoms_that_exist():
    """A name in a rule is a watch or a value that is not finite; IDs are unique."""
    signs = {s.symptom for rule in RULES for s in (*rule.signs, *rule.together_with, *rule.unless)}
    context = {name for rule in RULES for name in rule.context}

    assert signs | context <= set(NAMES)
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.advice and rule.signs for rule in RULES)


_updates = st.integers(-(2**63), 2**63 - 1)
_symptoms = st.builds(
    Symptom,
    name=st.sampled_from([*NAMES, "", "from the future {value} {0}"]),
    metric=st.sampled_from(["kl_divergence", "head_op_entropy", "{nobody}"]),
    head=st.sampled_from([*HEADS, None, "", "{ghost}"]),
    severity=st.sampled_from(["warning", "critical", "not finite"]),
    since_update=_updates,
    last_update=_updates,
    updates=st.integers(0, 10),
    critical_since=st.none() | _updates,
    critical_updates=st.integers(0, 10),
    value=st.floats(),
    worst=st.floats(),
    worst_update=_updates,
    active=st.booleans(),
)


@pytest.mark.slow
@given(symptoms=st.lists(_symptoms, max_size=30))
def test_any_snapshot_is_diagnosed(symptoms):
    """Findings are ranked, the same every time, and can be encoded."""
    snapshot = SanctumSnapshot(symptoms=tuple(symptoms))
    found = diagnose(snapshot)

    assert found == diagnose(snapshot)
    assert [f.severity for f in found] == sorted((f.severity for f in found), key=SEVERITIES.index)
    diagnosed = SanctumSnapshot(symptoms=snapshot.symptoms, findings=tuple(found))
    assert encode_snapshot(decode_snapshot(encode_snapshot(diagnosed))) == encode_snapshot(diagnosed)
    assert to_json(found)
