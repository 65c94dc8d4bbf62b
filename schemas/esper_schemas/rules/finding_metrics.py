"""The metrics that a finding is about, as names of the catalogue: those to open, and to mark on a screen."""

from collections.abc import Iterable, Iterator

from esper_schemas.findings import Symptom
from esper_schemas.metrics.catalogue import head_field
from esper_schemas.policy_heads import own_quantity

MEAN_RETURN = "mean_return"
"""The mean return of a run, which is not a metric of the learner."""

MEASURED_BY: dict[str, tuple[str, ...]] = {
    "value_spread": ("value_std",),
    "value_error": ("value_loss",),
    "value_loss_growth": ("value_loss",),
    "kl_size": ("kl_divergence",),
    "kl_growth": ("kl_divergence",),
    "kl_without_clips": ("kl_divergence",),
    "gradient_growth": ("grad_norm_pre_clip",),
    "entropy_of_start": ("entropy",),
    "undefined_variance": ("explained_variance",),
    "best_explained_variance": ("explained_variance",),
    "explained_returns": ("explained_variance",),
    "policy_entropy_fall": ("entropy", "entropy_normalized"),
    "value_gradient": ("value_grad_norm", "value_gradient_share"),
    "advantage_reversal": ("advantage_correlation",),
    "unseen_kl": ("kl_final",),
    "return_spread": (MEAN_RETURN,),
    "lost_return": (MEAN_RETURN,),
    "baseline_lead": (MEAN_RETURN,),
    "kept_return": (MEAN_RETURN,),
    "return_change": (MEAN_RETURN,),
}
"""The metrics from which watched quantities follow, for those that are not metrics themselves."""

MEASURED_BY_OF_HEADS: dict[str, tuple[str, ...]] = {
    "entropy_fall": ("entropy",),
    "entropy_legal": ("entropy_legal", "entropy"),
}
"""As `MEASURED_BY`, for quantities of one head; two entropies show the same, with and without masks."""


def metrics_of(main: Symptom, others: Iterable[Symptom]) -> tuple[str, ...]:
    """Return the metrics of the symptom that is the main sign, then those of the others that are active."""
    symptoms = (main, *(symptom for symptom in others if symptom.active))
    return tuple(dict.fromkeys(name for symptom in symptoms for name in measured_by(symptom)))


def measured_by(symptom: Symptom) -> Iterator[str]:
    """Yield the metrics from which the quantity of a symptom follows."""
    if symptom.head is None:
        yield from MEASURED_BY.get(symptom.metric, (symptom.metric,))
        return
    for prefix in (own_quantity(symptom.head, ""), head_field(symptom.head, "")):
        if symptom.metric.startswith(prefix):
            family = symptom.metric.removeprefix(prefix)
            yield from (prefix + name for name in MEASURED_BY_OF_HEADS.get(family, (family,)))
