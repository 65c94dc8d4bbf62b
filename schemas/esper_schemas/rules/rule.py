"""What a rule is: the signs of one thing that can be wrong with a training, and the advice against it."""

from dataclasses import dataclass
from typing import Literal

from esper_schemas.findings import Severity
from esper_schemas.rules.settings import Setting

Confidence = Literal["certain", "high", "moderate"]
"""Certain is what follows from an identity or a value that is not finite; moderate is what healthy trainings
show now and then."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A symptom that has lasted at least `updates` updates; with `critical`, only critical ones count."""

    symptom: str
    updates: int = 1
    critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that can be wrong.

    The rule applies if one of `signs` is present and, unless `together_with` is empty, one of those was
    present at the same time or shortly before. It does not apply if one of `unless` was, which explains the
    signs better, and none of `decisive` was; nor if one of the rules `covered_by` applies, which says more.
    One of `while_one_of` must be present at the newest update, and none of `not_while`; none of `not_after`
    within the last 20 updates. If it is one from which policies recover (`recovers`), signs that lasted for
    20 updates at the best return need 50 of `while_one_of`.

    With `per_head`, the signs are those of one head, and other symptoms must be of the same head or of none;
    with `per_metric`, each metric is judged apart. `context` has further symptoms for the chain of evidence.
    A `lasting` finding remains after its signs are over.

    `only_with_several` names a setting of the run; if it is 1, the rule does not apply. `requires` names
    settings without which it does not apply, `excludes` settings with which it does not. When a finding
    begins, the trainer reports it as an anomaly of the kind `anomaly` and measures at DEBUG for `escalation`
    updates.
    """

    id: str
    severity: Severity
    title: str
    advice: tuple[str, ...]
    signs: tuple[Sign, ...]
    together_with: tuple[Sign, ...] = ()
    unless: tuple[Sign, ...] = ()
    decisive: tuple[Sign, ...] = ()
    covered_by: tuple[str, ...] = ()
    while_one_of: tuple[Sign, ...] = ()
    not_while: tuple[Sign, ...] = ()
    not_after: tuple[Sign, ...] = ()
    recovers: bool = False
    context: tuple[str, ...] = ()
    per_head: bool = False
    per_metric: bool = False
    lasting: bool = False
    only_with_several: Setting | None = None
    requires: tuple[Setting, ...] = ()
    excludes: tuple[Setting, ...] = ()
    confidence: Confidence = "high"
    anomaly: str = ""
    escalation: int = 5

    @property
    def kind(self) -> str:
        """The kind of anomaly as which the trainer reports the rule."""
        return self.anomaly or self.id
