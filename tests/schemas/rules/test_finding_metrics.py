"""A finding names the metrics that it is about."""

import pytest

from esper_schemas.declarations import HeadSpec
from esper_schemas.findings import Symptom
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.policy_heads import split_own
from esper_schemas.rules.bounded_watches import bounded_watches, own_head_watches
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.rules.finding_metrics import MEAN_RETURN, measured_by, metrics_of
from esper_schemas.snapshot import SanctumSnapshot


def symptom(name, metric, since=5, **fields):
    """A critical symptom of ten updates."""
    return Symptom(
        name=name,
        metric=metric,
        severity="critical",
        since_update=since,
        last_update=since + 9,
        updates=10,
        critical_since=since,
        critical_updates=10,
        **fields,
    )


OF_TAMIYO = [watch for watch in bounded_watches(QUANTITIES) if watch.name]
OF_OWN_HEADS = [watch for watch in own_head_watches(HeadSpec("op", 3), QUANTITIES) if watch.name]


@pytest.mark.parametrize("watch", OF_TAMIYO, ids=lambda watch: f"{watch.name}-{watch.metric}")
def test_every_watched_quantity_follows_from_metrics_that_can_be_opened(watch):
    """They are metrics of the catalogue, or the mean return."""
    found = list(measured_by(symptom(watch.name, watch.metric, head=watch.head)))

    assert found
    assert set(found) <= {*QUANTITIES, MEAN_RETURN}


@pytest.mark.parametrize("watch", OF_OWN_HEADS, ids=lambda watch: watch.name)
def test_quantities_of_an_own_head_follow_from_its_metrics(watch):
    """Also if the head has the name of one of Tamiyo's."""
    found = list(measured_by(symptom(watch.name, watch.metric, head="op")))

    assert found
    assert all(split_own(name)[0] == "op" for name in found)


def test_the_metric_of_the_main_sign_comes_first_and_none_is_repeated():
    """The others follow in their order."""
    main = symptom("value_loss_growth", "value_loss_growth")
    others = [symptom("no_kl", "kl_divergence"), main, symptom("own_metric_above", "eval/reward")]

    assert metrics_of(main, others) == ("value_loss", "kl_divergence", "eval/reward")


def test_a_symptom_that_is_over_is_evidence_but_no_metric_to_open():
    """Its metric is within its bounds again; that of the main sign is named nevertheless."""
    main = symptom("loss_not_finite", "policy_loss", active=False)

    assert metrics_of(main, [symptom("large_clip", "clip_fraction", active=False)]) == ("policy_loss",)


def test_a_finding_names_every_head_that_shows_its_signs():
    """The evidence has only the first one."""
    ratios = [symptom("ratio_explosion", f"head_{head}_ratio_max", head=head) for head in ("op", "slot")]
    large = [symptom("large_kl", "kl_divergence", 4), symptom("large_clip", "clip_fraction")]

    found = {f.rule: f for f in diagnose(SanctumSnapshot(symptoms=(*large, *ratios)))}["large_updates"]

    assert sum("ratio" in link.text for link in found.evidence) == 1
    assert found.metrics == ("kl_divergence", "clip_fraction", "head_op_ratio_max", "head_slot_ratio_max")
