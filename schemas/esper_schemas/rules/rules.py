"""What can be wrong with a training, as data: rules with the remedies that practitioners try first.

The advice follows Schulman's "Nuts and bolts of deep RL experimentation", Andrychowicz et al. 2021 ("What
matters in on-policy reinforcement learning"), Huang et al. 2022 ("The 37 implementation details of PPO") and
the documentation of Spinning Up and Stable-Baselines3.
"""

from esper_schemas.rules.rule import Rule
from esper_schemas.rules.table.critic import CRITIC_RULES
from esper_schemas.rules.table.exploration import EXPLORATION_RULES
from esper_schemas.rules.table.numerical import NUMERICAL_RULES
from esper_schemas.rules.table.own_metrics import OWN_METRIC_RULES
from esper_schemas.rules.table.recurrent import RECURRENT_RULES
from esper_schemas.rules.table.returns import RETURN_RULES
from esper_schemas.rules.table.self_checks import SELF_CHECK_RULES
from esper_schemas.rules.table.updates import UPDATE_RULES

RULES: tuple[Rule, ...] = (
    *NUMERICAL_RULES,
    *SELF_CHECK_RULES,
    *EXPLORATION_RULES,
    *UPDATE_RULES,
    *CRITIC_RULES,
    *RECURRENT_RULES,
    *RETURN_RULES,
    *OWN_METRIC_RULES,
)
"""All rules; in a diagnosis, those of equal severity and age are in this order."""

ESCALATION: dict[str, int] = {rule.kind: rule.escalation for rule in RULES}
"""The number of updates for which the trainer measures at DEBUG after an anomaly, by kind of anomaly."""
