"""The complete account of a run: what every rule has to say about it, also where that is nothing."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from esper_schemas.findings import Finding
from esper_schemas.measured_metrics import measured_metrics, measured_of_heads
from esper_schemas.metrics.metric import BOUNDS
from esper_schemas.rules import failed_training
from esper_schemas.rules.diagnose import is_applicable
from esper_schemas.rules.duplicate_ranks import DUPLICATE_RANK
from esper_schemas.rules.failed_training import TRAINING_FAILED
from esper_schemas.rules.finding_metrics import MEAN_RETURN, MEASURED_BY
from esper_schemas.rules.implausible_values import IMPLAUSIBLE_VALUE
from esper_schemas.rules.lost_data import DATA_LOST
from esper_schemas.rules.quantities import NOT_FINITE
from esper_schemas.rules.rule import Confidence, Rule, Sign
from esper_schemas.rules.rules import RULES
from esper_schemas.rules.settings import Settings, settings_of
from esper_schemas.rules.thresholds import THRESHOLDS_IGNORED, thresholds_of
from esper_schemas.rules.watches import WATCHES
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.verdict import CONVERGED_RULE

AnswerVerdict = Literal["wrong", "suspicious", "fine", "could not judge", "not applicable"]

VERDICTS: tuple[AnswerVerdict, ...] = ("wrong", "suspicious", "could not judge", "fine", "not applicable")
"""From the worst; what could not be judged is worth more attention than what is fine."""

ENTROPY_FALL_SOURCE = {"entropy_fall": ("entropy_legal",)}

REQUIRED: dict[str, tuple[str, ...]] = {
    **MEASURED_BY,
    "value_spread": ("value_std", "return_std"),
    "value_error": ("value_loss", "return_std"),
    "value_gradient": ("value_gradient_share",),
}
"""The metrics from which quantities follow that are not metrics themselves: all of them are needed."""


TITLES_OF_RECORDING = {
    DATA_LOST: "Data is lost",
    TRAINING_FAILED: failed_training.TITLE,
    DUPLICATE_RANK: "Several processes train as one rank",
    THRESHOLDS_IGNORED: "Thresholds of the run could not be read",
    IMPLAUSIBLE_VALUE: "A metric has values that it cannot have",
}
"""What rules about the recording, rather than the training, are about."""


_DISABLED = "disabled by the thresholds of the run"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one rule says about a run.

    `needs` names what is missing where it could not judge, `reason` says why it is not applicable. `findings`
    are what it found; one about several heads has several.
    """

    rule: str
    title: str
    verdict: AnswerVerdict
    confidence: Confidence = "high"
    needs: tuple[str, ...] = ()
    reason: str = ""
    findings: tuple[Finding, ...] = ()


def answers(snapshot: SanctumSnapshot) -> list[Answer]:
    """Return the answer of every rule, the worst first, then in the order of the rules.

    Findings that are about the recording are answers, too.
    """
    evidence = _Evidence(snapshot)
    enabled = thresholds_of(snapshot.tamiyo.thresholds).rules
    found = [_answer(rule, evidence) for rule in enabled]
    disabled = {rule.id for rule in RULES} - {rule.id for rule in enabled}
    found += [_disabled(rule) for rule in RULES if rule.id in disabled]
    return sorted([*_of_recording(snapshot), *found], key=lambda answer: VERDICTS.index(answer.verdict))


class _Evidence:
    """What a snapshot has to judge by."""

    def __init__(self, snapshot: SanctumSnapshot) -> None:
        self.findings = snapshot.findings
        self.settings = settings_of(snapshot.run.config, snapshot.run.device)
        self.updates = snapshot.tamiyo.ppo_updates_count
        specs = snapshot.metric_specs.values()
        self.own_bounds = any(getattr(spec, bound) is not None for spec in specs for bound in BOUNDS)
        measured = measured_metrics(snapshot) - self._unread()
        has_returns = snapshot.run.mean_return is not None or "return_mean" in measured
        self._measured = measured | ({MEAN_RETURN} if has_returns else set())
        self._of_heads = measured_of_heads(snapshot)

    def _unread(self) -> set[str]:
        """Return the metrics whose values no rule reads."""
        return {m for finding in self.findings if finding.rule == IMPLAUSIBLE_VALUE for m in finding.metrics}

    def of(self, rule: Rule) -> tuple[Finding, ...]:
        """Return what a rule has found."""
        return tuple([finding for finding in self.findings if finding.rule == rule.id])

    def missing(self, sign: Sign) -> set[str]:
        """Return the metrics without which a sign cannot be seen; none if it can."""
        lacking = [
            set(metrics) - (self._of_heads if of_heads else self._measured)
            for metrics, of_heads in _sources(sign)
        ]
        return min(lacking, key=len, default=set())


def _sources(sign: Sign) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield, for each quantity that can show a sign, its metrics and whether they are those of a head."""
    for watch in WATCHES:
        if watch.name == sign.symptom:
            of_heads = ENTROPY_FALL_SOURCE if watch.per_head else REQUIRED
            yield of_heads.get(watch.quantity, (watch.quantity,)), watch.per_head
    for quantity, symptom in NOT_FINITE.items():
        if symptom == sign.symptom:
            yield (quantity,), False


def _answer(rule: Rule, evidence: _Evidence) -> Answer:
    findings = evidence.of(rule)
    if findings:
        return Answer(rule.id, findings[0].title, _verdict(findings), rule.confidence, findings=findings)
    reason = _not_applicable(rule, evidence)
    if reason:
        return Answer(rule.id, _title(rule), "not applicable", rule.confidence, reason=reason)
    needs = _needs(rule, evidence)
    verdict: AnswerVerdict = "could not judge" if needs else "fine"
    return Answer(rule.id, _title(rule), verdict, rule.confidence, needs=needs)


def _verdict(findings: Sequence[Finding]) -> AnswerVerdict:
    if any(finding.severity == "critical" for finding in findings):
        return "wrong"
    return "fine" if all(finding.rule == CONVERGED_RULE for finding in findings) else "suspicious"


def _not_applicable(rule: Rule, evidence: _Evidence) -> str:
    if rule.per_metric:
        return "" if evidence.own_bounds else "no metric of the run has bounds of its own"
    settings: Settings = evidence.settings
    known = all(setting in settings for setting in rule.requires)
    if is_applicable(rule, settings) or not known:
        return ""
    if rule.only_with_several and settings.get(rule.only_with_several) == 1:
        return f"{rule.only_with_several} is 1"
    excluded = [setting for setting in rule.excludes if settings.get(setting)]
    if excluded:
        return f"the run has {', '.join(excluded).replace('_', ' ')}"
    return f"{', '.join(s for s in rule.requires if not settings[s])} is not set"


def _needs(rule: Rule, evidence: _Evidence) -> tuple[str, ...]:
    """Return what is missing for a rule to judge; nothing if one of its signs can be seen."""
    settings = [f"{setting} in the config" for setting in rule.requires if setting not in evidence.settings]
    if settings:
        return tuple(settings)
    if rule.per_metric:
        return ()
    for signs in (rule.signs, rule.while_one_of):
        lacking = [evidence.missing(sign) for sign in signs]
        if lacking and all(lacking):
            fewest = min(len(metrics) for metrics in lacking)
            return tuple(sorted(next(metrics for metrics in lacking if len(metrics) == fewest)))
    shortest = min(sign.updates for sign in rule.signs)
    return (f"{shortest} updates",) if evidence.updates < shortest else ()


def _title(rule: Rule) -> str:
    return rule.title.replace("{head}", "(name)").replace("{metric}", "(metric)")


def _disabled(rule: Rule) -> Answer:
    return Answer(rule.id, _title(rule), "not applicable", reason=_DISABLED)


def _of_recording(snapshot: SanctumSnapshot) -> Iterator[Answer]:
    """Yield an answer for each rule about the recording, or for each of its findings."""
    disabled = thresholds_of(snapshot.tamiyo.thresholds).disabled
    for rule, title in TITLES_OF_RECORDING.items():
        if rule in disabled:
            yield Answer(rule, title, "not applicable", reason=_DISABLED)
            continue
        found = [finding for finding in snapshot.findings if finding.rule == rule]
        if not found:
            yield Answer(rule, title, "fine", "certain")
        for finding in found:
            yield Answer(rule, finding.title, _verdict([finding]), "certain", findings=(finding,))
