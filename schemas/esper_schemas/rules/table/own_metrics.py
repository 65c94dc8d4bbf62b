"""Rules about metrics whose bounds the run itself defines."""

from esper_schemas.rules.rule import Rule, Sign
from esper_schemas.rules.signs import OWN_METRIC_CRITICAL

OWN_METRIC_RULES: tuple[Rule, ...] = (
    Rule(
        id="own_metric_critical",
        severity="critical",
        confidence="certain",
        title="{metric} is beyond its critical bound",
        signs=OWN_METRIC_CRITICAL,
        per_metric=True,
        advice=("The run itself defined this bound: see where it calls define().",),
    ),
    Rule(
        id="own_metric_warning",
        severity="warning",
        confidence="certain",
        title="{metric} is beyond its bound",
        signs=(Sign("own_metric_above", 3), Sign("own_metric_below", 3)),
        unless=OWN_METRIC_CRITICAL,
        per_metric=True,
        advice=("The run itself defined this bound: see where it calls define().",),
    ),
)
