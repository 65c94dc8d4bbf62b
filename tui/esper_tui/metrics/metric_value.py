"""The last values of any metric, as the snapshot has them."""

from esper_schemas.judgement import UNDEFINED_POLICY_LOSS, trend
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_METRICS, History, Trend


def history_of(snapshot: SanctumSnapshot, name: str) -> History:
    """Oldest first; empty where none is kept. Lv/Lp is made of its two losses."""
    if not snapshot.tamiyo.ppo_data_received:
        return ()
    if name in HISTORY_METRICS:
        history: History = getattr(snapshot.tamiyo, f"{name}_history")
        return history
    if name == "loss_ratio":
        return _loss_ratios(snapshot.tamiyo.value_loss_history, snapshot.tamiyo.policy_loss_history)
    return snapshot.histories.get(name, ())


def _loss_ratios(value_losses: History, policy_losses: History) -> History:
    return tuple(
        None
        if value is None or policy is None or abs(policy) < UNDEFINED_POLICY_LOSS
        else value / abs(policy)
        for value, policy in zip(value_losses, policy_losses, strict=False)
    )


def trend_of(snapshot: SanctumSnapshot, name: str) -> Trend:
    """Where a metric is going; as the state says, else judged here by the same rule."""
    known = snapshot.tamiyo.trends.get(name)
    return known or trend(history_of(snapshot, name), QUANTITIES[name].metric.trend_threshold)
