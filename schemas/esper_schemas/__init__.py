"""The contract between trainer, bus, aggregator and screen.

Heads, events, the metric catalogue, the folded state, the codec and the judgement. Imports nothing
but msgspec; every other part of Esper imports this one.
"""

from esper_schemas.codec import (
    decode_event,
    decode_snapshot,
    encode_event,
    encode_snapshot,
    kind_of,
    to_json,
)
from esper_schemas.collapse import collapse_risk_score, entropy_clip_correlation, entropy_velocity
from esper_schemas.events import EVENT_TYPES, Event, PPOUpdateCompleted, Record
from esper_schemas.heads import CAUSAL, HEAD_ENUMS, HEAD_MAX_ENTROPIES, HEAD_SIZES, HEADS
from esper_schemas.judgement import (
    HeadCondition,
    Health,
    head_condition,
    judge,
    judge_field,
    judge_loss_ratio,
    loss_ratio,
    trend,
)
from esper_schemas.metrics.catalogue import (
    CATALOGUE,
    DERIVED,
    HEAD_FAMILIES,
    QUANTITIES,
    MetricField,
    head_field,
    per_head,
)
from esper_schemas.metrics.metric import Bands, Metric
from esper_schemas.metrics.overrides import overridden
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload
from esper_schemas.snapshot import EMPTY_SNAPSHOT, SanctumSnapshot
from esper_schemas.source import Feed, SnapshotSource
from esper_schemas.state import TamiyoState, Trend

__all__ = [
    "CATALOGUE",
    "CAUSAL",
    "DERIVED",
    "EMPTY_SNAPSHOT",
    "EVENT_TYPES",
    "HEADS",
    "HEAD_ENUMS",
    "HEAD_FAMILIES",
    "HEAD_MAX_ENTROPIES",
    "HEAD_SIZES",
    "QUANTITIES",
    "Bands",
    "Event",
    "Feed",
    "HeadCondition",
    "Health",
    "Metric",
    "MetricField",
    "PPOMetrics",
    "PPOUpdateCompleted",
    "PPOUpdatePayload",
    "Record",
    "SanctumSnapshot",
    "SnapshotSource",
    "TamiyoState",
    "Trend",
    "collapse_risk_score",
    "decode_event",
    "decode_snapshot",
    "encode_event",
    "encode_snapshot",
    "entropy_clip_correlation",
    "entropy_velocity",
    "head_condition",
    "head_field",
    "judge",
    "judge_field",
    "judge_loss_ratio",
    "kind_of",
    "loss_ratio",
    "overridden",
    "per_head",
    "to_json",
    "trend",
]
