"""The learner's flat state, from the updates that its ranks made. Pure."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from msgspec import structs

from esper_aggregator.fold.rank_reduction import common_updates, merge, reduce_field
from esper_aggregator.fold.run_state import ProducerState
from esper_schemas.collapse import entropy_clip_correlation, entropy_velocity
from esper_schemas.heads import HEADS
from esper_schemas.judgement import trend
from esper_schemas.metrics.catalogue import QUANTITIES, head_field
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload
from esper_schemas.state import HISTORY_METRICS, History, TamiyoState


def project_tamiyo(producers: Sequence[ProducerState]) -> TamiyoState:
    """The last payload's fields, histories, previous gradients, latches, trends and derived quantities.

    Of several ranks the last payloads are merged; histories have the updates that all of them made.
    Ranks that have not made one yet are left out.
    """
    ranks = [producer for producer in producers if producer.ppo_updates]
    if not ranks:
        return TamiyoState()
    rows = _rows(ranks)
    histories = _histories(rows)
    fields: dict[str, Any] = structs.asdict(merge(rank.ppo_updates[-1].payload for rank in ranks))
    fields |= {f"{name}_history": history for name, history in histories.items()}
    fields |= _previous_grad_norms(ranks)
    fields |= _derived(ranks, _history(rows, "entropy_normalized"), histories["clip_fraction"])
    return TamiyoState(
        **fields,
        trends={name: trend(history, _trend_threshold(name)) for name, history in histories.items()},
        ppo_data_received=True,
        ppo_updates_count=max(rank.updates for rank in ranks),
        last_update=max(rank.last_update for rank in ranks),
        head_nan_latch=_any_rank([rank.nan_latch for rank in ranks]),
        head_inf_latch=_any_rank([rank.inf_latch for rank in ranks]),
    )


def metric_histories(producer: ProducerState | None) -> dict[str, History]:
    """Every metric's last values, oldest first, without those that were never measured in them.

    Of one rank, not merged: this is made for every snapshot, and nothing is judged by it.
    """
    if producer is None or not producer.ppo_updates:
        return {}
    columns = zip(*[structs.astuple(update.payload) for update in producer.ppo_updates], strict=True)
    unmeasured = (None,) * len(producer.ppo_updates)
    named = zip(PPOUpdatePayload.__struct_fields__, columns, strict=True)
    histories = {name: column for name, column in named if column[0] is not None or column != unmeasured}
    for name in _COUNTS & histories.keys():  # a history is of floats, and comes back as such from the wire
        histories[name] = tuple([value if value is None else float(value) for value in histories[name]])
    return histories


def _rows(ranks: Sequence[ProducerState]) -> list[list[PPOMetrics]]:
    """Per update the payloads of all ranks, oldest update first."""
    if len(ranks) == 1:
        return [[update.payload] for update in ranks[0].ppo_updates]
    return common_updates([{u.update: u.payload for u in rank.ppo_updates} for rank in ranks])


def _histories(rows: list[list[PPOMetrics]]) -> dict[str, History]:
    if not rows or len(rows[0]) > 1:
        return {name: _history(rows, name) for name in HISTORY_METRICS}
    columns = zip(*[_history_values(payload) for (payload,) in rows], strict=True)
    return dict(zip(HISTORY_METRICS, columns, strict=True))


def _history(rows: list[list[PPOMetrics]], name: str) -> History:
    if rows and len(rows[0]) == 1:
        return tuple([getattr(payload, name) for (payload,) in rows])
    return tuple(reduce_field(name, [getattr(payload, name) for payload in row]) for row in rows)


def _derived(ranks: Sequence[ProducerState], entropies: History, clips: History) -> dict[str, float | None]:
    return {
        "entropy_velocity": entropy_velocity(entropies),
        "entropy_clip_correlation": entropy_clip_correlation(entropies, clips),
        "gradient_drift": reduce_field("gradient_drift", [rank.gradient_drift for rank in ranks]),
        "collapse_risk_score": reduce_field("collapse_risk_score", [rank.collapse_risk for rank in ranks]),
    }


def _any_rank(latches: Sequence[dict[str, bool]]) -> dict[str, bool]:
    """Which heads are latched on any rank."""
    seen = dict(latches[0])
    for latch in latches[1:]:
        seen |= {head: True for head, latched in latch.items() if latched}
    return seen


def _trend_threshold(name: str) -> float:
    return QUANTITIES[name].metric.trend_threshold


def _previous_grad_norms(ranks: Sequence[ProducerState]) -> dict[str, float | None]:
    previous = [rank.ppo_updates[-2].payload for rank in ranks if len(rank.ppo_updates) > 1]
    return {
        previous_name: reduce_field(name, [getattr(payload, name) for payload in previous])
        for previous_name, name in _PREVIOUS_GRAD_NORMS.items()
    }


_COUNTS = {name for name, of in get_type_hints(PPOUpdatePayload).items() if int in (of, *get_args(of))}
_history_values = attrgetter(*HISTORY_METRICS)
_PREVIOUS_GRAD_NORMS = {f"{name}_prev": name for name in (head_field(head, "grad_norm") for head in HEADS)}
