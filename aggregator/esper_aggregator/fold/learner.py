"""Projects the updates of all ranks to the flat state of the learner."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, get_args, get_type_hints

from msgspec import structs

from esper_aggregator.fold.merged_updates import common_payloads, last_payload
from esper_aggregator.fold.own_heads import own_head_fields, own_histories
from esper_aggregator.fold.rank_reduction import reduce_field
from esper_aggregator.fold.run_state import ProducerState
from esper_schemas.collapse import entropy_clip_correlation, entropy_velocity
from esper_schemas.declarations import RunThresholds
from esper_schemas.heads import HEADS
from esper_schemas.judgement import trend
from esper_schemas.metrics.catalogue import CATALOGUE, head_field
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.thresholds import thresholds_of
from esper_schemas.state import HISTORY_METRICS, History, TamiyoState, Trend


def project_tamiyo(producers: Sequence[ProducerState], thresholds: RunThresholds) -> TamiyoState:
    """Return the learner's state: its last metrics and what led to them, to be judged by thresholds.

    The last payloads of several ranks are merged; histories have the updates that all ranks made. Ranks
    without any update are left out.
    """
    ranks = [producer for producer in producers if producer.ppo_updates]
    if not ranks:
        return TamiyoState(**own_head_fields(producers), thresholds=thresholds)
    histories = _histories(ranks)
    entropies = histories.pop("entropy_normalized")
    fields: dict[str, Any] = _metrics(structs.astuple(last_payload(ranks)))
    fields |= {f"{name}_history": history for name, history in histories.items()}
    fields |= _previous_grad_norms(ranks)
    fields |= own_head_fields(ranks)
    fields |= _derived(ranks, entropies, histories["clip_fraction"])
    return TamiyoState(
        **fields,
        trends=_trends(histories, thresholds),
        ppo_data_received=True,
        ppo_updates_count=max(rank.updates for rank in ranks),
        last_update=max(rank.last_update for rank in ranks),
        head_nan_latch=_any_rank([rank.nan_latch for rank in ranks]),
        head_inf_latch=_any_rank([rank.inf_latch for rank in ranks]),
        thresholds=thresholds,
    )


def metric_histories(producers: Sequence[ProducerState]) -> dict[str, History]:
    """Return the last values of every metric, oldest first, for metrics that have any.

    Those of several ranks are merged, for the updates that all of them made.
    """
    ranks = [producer for producer in producers if producer.ppo_updates]
    payloads = common_payloads(ranks) if ranks else []
    if not payloads:
        return {}
    columns = _metrics(zip(*[structs.astuple(payload) for payload in payloads], strict=True))
    unmeasured = (None,) * len(payloads)
    histories = {
        name: column for name, column in columns.items() if column[0] is not None or column != unmeasured
    }
    for name in _COUNTS & histories.keys():  # decoding a history gives floats
        histories[name] = tuple([value if value is None else float(value) for value in histories[name]])
    heads = dict.fromkeys(head for rank in ranks for head in rank.heads)
    return histories | own_histories(payloads, heads) if heads else histories


def _metrics(columns: Iterable[Any]) -> dict[str, Any]:
    """Return what the metrics of the catalogue have of all fields of a payload, whose first they are."""
    return dict(zip(CATALOGUE, columns, strict=False))


def _histories(ranks: Sequence[ProducerState]) -> dict[str, History]:
    """Return the histories of the learner's state, and that of the normalised entropy."""
    payloads = common_payloads(ranks)
    if not payloads:
        return dict.fromkeys(_HISTORIES, ())
    columns = zip(*[_read_histories(payload) for payload in payloads], strict=True)
    return dict(zip(_HISTORIES, columns, strict=True))


def _derived(ranks: Sequence[ProducerState], entropies: History, clips: History) -> dict[str, float | None]:
    return {
        "entropy_velocity": entropy_velocity(entropies),
        "entropy_clip_correlation": entropy_clip_correlation(entropies, clips),
        "gradient_drift": reduce_field("gradient_drift", [rank.gradient_drift for rank in ranks]),
        "collapse_risk_score": reduce_field("collapse_risk_score", [rank.collapse_risk for rank in ranks]),
    }


def _any_rank(latches: Sequence[dict[str, bool]]) -> dict[str, bool]:
    """Return the latches that are set on any rank."""
    seen = dict(latches[0])
    for latch in latches[1:]:
        seen |= {head: True for head, latched in latch.items() if latched}
    return seen


def _trends(histories: dict[str, History], thresholds: RunThresholds) -> dict[str, Trend]:
    quantities = thresholds_of(thresholds).quantities
    return {
        name: trend(history, quantities[name].metric.trend_threshold) for name, history in histories.items()
    }


def _previous_grad_norms(ranks: Sequence[ProducerState]) -> dict[str, float | None]:
    norms = [_read_grad_norms(rank.ppo_updates[-2].payload) for rank in ranks if len(rank.ppo_updates) > 1]
    reduced = norms[0] if len(norms) == 1 else map(reduce_field, _GRAD_NORMS, zip(*norms, strict=True))
    return dict(zip(_PREVIOUS_GRAD_NORMS, reduced, strict=False))


_COUNTS = {name for name, of in get_type_hints(PPOUpdatePayload).items() if int in (of, *get_args(of))}
_HISTORIES = (*HISTORY_METRICS, "entropy_normalized")
_read_histories = attrgetter(*_HISTORIES)
_GRAD_NORMS = tuple(head_field(head, "grad_norm") for head in HEADS)
_PREVIOUS_GRAD_NORMS = tuple(f"{name}_prev" for name in _GRAD_NORMS)
_read_grad_norms = attrgetter(*_GRAD_NORMS)
