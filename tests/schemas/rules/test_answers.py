"""Every rule answers, and says what it needs where it could not judge."""

import pytest
from msgspec.structs import replace

from esper_aggregator.fold.fold import fold_all
from esper_aggregator.fold.projection import project
from esper_schemas.declarations import HeadSpec, RunThresholds
from esper_schemas.events import PPOUpdateCompleted, Record, RolloutCompleted, RunStarted
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload
from esper_schemas.rules.answers import VERDICTS, answers
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.rules.thresholds import OF_RECORDING, RULE_IDS
from esper_schemas.snapshot import Loss, SanctumSnapshot
from esper_schemas.state import TamiyoState


def account(*payloads, returns=(), config=None, heads=()):
    """The answers about a run with these updates, by rule."""
    events = [RunStarted(task="t", config=config or {}, heads=heads)]
    for place, payload in enumerate(payloads, start=1):
        if returns:
            events.append(RolloutCompleted(update=place, env_steps=8, mean_return=returns[place - 1]))
        events.append(PPOUpdateCompleted(update=place, payload=payload))
    records = [
        Record(run="r", producer="p", epoch=1, seq=seq, emitted_ns=seq, received_ns=seq, event=event)
        for seq, event in enumerate(events)
    ]
    return {answer.rule: answer for answer in answers(project(fold_all(records)))}


def test_every_rule_answers_about_any_run():
    """Before the first update none can judge a training, unless it is not applicable."""
    of_nothing = answers(SanctumSnapshot())

    assert [answer.rule for answer in of_nothing if answer.verdict == "could not judge"]
    assert {answer.rule for answer in of_nothing} == RULE_IDS
    of_training = [answer for answer in of_nothing if answer.rule not in OF_RECORDING]
    assert {answer.verdict for answer in of_training} == {"could not judge", "not applicable"}


def test_what_is_measured_can_be_judged():
    """A rule that lacks a metric names it."""
    found = account(*[PPOUpdatePayload(kl_divergence=0.01, clip_fraction=0.1)] * 9)

    assert found["large_updates"].verdict == "fine"
    assert found["vanishing_gradient"].verdict == "could not judge"
    assert found["vanishing_gradient"].needs == ("grad_norm_pre_clip",)
    assert found["value_collapse"].needs == ("return_std", "value_std")


def test_a_rule_needs_updates():
    """Whether a critic never explains the returns is not known after a few updates."""
    payload = PPOUpdatePayload(explained_variance=0.0)

    assert account(*[payload] * 9)["critic_idle"].needs == ("60 updates",)
    assert account(*[payload] * 70)["critic_idle"].verdict == "suspicious"


@pytest.mark.parametrize(
    ("config", "verdict", "why"),
    [
        ({}, "could not judge", "epochs in the config, target_kl in the config"),
        ({"n_epochs": 10}, "could not judge", "target_kl in the config"),
        ({"n_epochs": 10, "target_kl": None}, "not applicable", "target_kl is not set"),
        ({"n_epochs": 1, "target_kl": 0.02}, "not applicable", "epochs is 1"),
        ({"update_epochs": 4, "target_kl": 0.02}, "fine", ""),
        ({"epochs": 3, "target_kl": "None"}, "not applicable", "target_kl is not set"),
        ({"epochs": "often", "target_kl": 0.02}, "could not judge", "epochs in the config"),
    ],
)
def test_settings_decide_whether_a_rule_applies(config, verdict, why):
    """They are read under the names that training libraries give them."""
    answer = account(*[PPOUpdatePayload(epochs_completed=3, kl_divergence=0.01)] * 9, config=config)[
        "early_stop"
    ]

    assert (answer.verdict, ", ".join(answer.needs) or answer.reason) == (verdict, why)


def test_a_finding_is_an_answer():
    """A critical one is wrong, another one suspicious; the worst come first."""
    found = account(*[PPOUpdatePayload(kl_divergence=3.0, explained_variance=-0.9)] * 9)
    verdicts = [answer.verdict for answer in found.values()]

    assert found["large_updates"].verdict == "wrong"
    assert found["large_updates"].findings[0].since_update == 1
    assert verdicts == sorted(verdicts, key=VERDICTS.index)


def test_heads_are_judged_by_what_is_measured_of_any_of_them():
    """Without a head there is nothing to judge."""
    heads = (HeadSpec("move", 4),)
    measured = account(*[PPOUpdatePayload(heads={"move": HeadMeasures(entropy=1.0)})] * 9, heads=heads)
    without = account(*[PPOUpdatePayload(kl_divergence=0.01)] * 9)

    assert measured["head_collapse"].verdict == "fine"
    assert measured["ratio_explosion"].needs == ("ratio_max",)
    assert without["head_collapse"].verdict == "could not judge"


def test_own_bounds_decide_whether_there_is_something_to_compare():
    """Without any the rules about own metrics are not applicable."""
    found = account(PPOUpdatePayload(kl_divergence=0.01))

    assert found["own_metric_critical"].reason == "no metric of the run has bounds of its own"


def test_what_the_recording_lacks_is_an_answer():
    """Rules about it answer as well; one that the run disables is not applicable."""
    lost = (Loss(kind="dropped", count=3),)
    disabled = TamiyoState(thresholds=RunThresholds("[rules.data_lost]\nenabled = false\n"))
    found = [
        next(answer for answer in answers(with_findings(snapshot)) if answer.rule == "data_lost")
        for snapshot in (SanctumSnapshot(losses=lost), SanctumSnapshot(losses=lost, tamiyo=disabled))
    ]

    assert [answer.verdict for answer in found] == ["suspicious", "not applicable"]
    assert found[0].title == "Data is lost: 3 events were dropped"
    assert found[1].reason == "disabled by the thresholds of the run"


def with_findings(snapshot):
    """A snapshot with what a diagnosis finds in it."""
    return replace(snapshot, findings=tuple(diagnose(snapshot)))


def test_a_rule_cannot_judge_by_values_that_are_not_possible():
    """Nobody knows what an explained variance of 1.7 says about the critic."""
    found = account(*[PPOUpdatePayload(explained_variance=1.7)] * 70)

    assert found["implausible_value"].verdict == "suspicious"
    assert found["critic_idle"].needs == ("explained_variance",)
