"""The watches of one of a run's own heads."""

from collections.abc import Iterable

from msgspec import ValidationError, convert
from msgspec.structs import astuple, replace

from esper_schemas.declarations import HeadSpec
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.payload import HeadMeasures
from esper_schemas.policy_heads import entropy_share, max_entropy, own_quantity
from esper_schemas.rules.bounded_watches import own_head_watches
from esper_schemas.rules.declared_ranges import extend, is_outside, own_head_ranges
from esper_schemas.rules.entropy_fall import entropy_fall
from esper_schemas.rules.quantities import ENTROPY_FALL, FALL_WITHIN
from esper_schemas.rules.streaks import Streaks
from esper_schemas.rules.thresholds import Thresholds
from esper_schemas.rules.watched_row import FINITE, WatchedRow, constrained_row, narrower

_WATCHED = ("entropy_legal", "ratio_max", "ratio_min", "grad_norm", ENTROPY_FALL)


class HeadWatch:
    """Compares what was measured of one head in an update; usually one call decides that all is well."""

    def __init__(self, spec: HeadSpec, thresholds: Thresholds) -> None:
        self._name, self._maximum = spec.name, max_entropy(spec)
        names = [own_quantity(spec.name, family) for family in _WATCHED]
        watches = list(own_head_watches(spec, thresholds.quantities, thresholds.levels))
        self._watched = WatchedRow(names, watches, spec.name)
        watched = dict(zip(_WATCHED, self._watched.ranges(names), strict=True))
        self._ranges = own_head_ranges(spec)
        of_families = [
            narrower(watched.get(family, FINITE), self._ranges.get(family, FINITE))
            for family in HeadMeasures.__struct_fields__
        ]
        self._within_bounds = constrained_row([*of_families, watched["entropy_legal"]])

    def observe(
        self, streaks: Streaks, update: int, measures: HeadMeasures, past: Iterable[PPOUpdateCompleted]
    ) -> bool:
        """Extend the streaks of the head; return whether all its values are within their bounds."""
        share = entropy_share(measures, self._maximum)
        try:
            convert((*astuple(measures), share), self._within_bounds)
        except ValidationError:
            measures = self._without_implausible(streaks, update, measures)
            share = entropy_share(measures, self._maximum)
            fall = self._fall(share, past)
            values = (share, measures.ratio_max, measures.ratio_min, measures.grad_norm, fall)
            self._watched.compare(streaks, update, values, _used(measures))
            return False
        return True

    def _without_implausible(self, streaks: Streaks, update: int, measures: HeadMeasures) -> HeadMeasures:
        """Return the measurements that can be true; the others extend the streaks of their metrics."""
        outside: dict[str, None] = {}
        for family, bounds in self._ranges.items():
            value = getattr(measures, family)
            if is_outside(value, *bounds):
                outside[family] = None
                extend(streaks, own_quantity(self._name, family), self._name, update, value, bounds)
        return replace(measures, **outside) if outside else measures

    def _fall(self, share: float | None, past: Iterable[PPOUpdateCompleted]) -> float | None:
        tables = [update.payload.heads for update in list(past)[-FALL_WITHIN:]]
        before = [entropy_share(table[self._name], self._maximum) for table in tables if self._name in table]
        return entropy_fall(share, before)


def _used(measures: HeadMeasures) -> HeadMeasures:
    """Return the measurements of a head that is used in every step unless its relevance says otherwise."""
    return replace(measures, relevance=1.0) if measures.relevance is None else measures
