"""The updates of several ranks as one: merged once, and remembered, as snapshots share most of them."""

from collections import OrderedDict
from collections.abc import Sequence

from msgspec.structs import replace

from esper_aggregator.fold.own_heads import merged_heads
from esper_aggregator.fold.rank_reduction import common_updates, merge
from esper_aggregator.fold.run_state import ProducerState
from esper_schemas.payload import PPOUpdatePayload

_REMEMBERED = 64
_merged: OrderedDict[tuple[int, ...], tuple[Sequence[PPOUpdatePayload], PPOUpdatePayload]] = OrderedDict()
"""Merged payloads by the identities of what they were merged from, which is kept alive beside them."""


def last_payload(ranks: Sequence[ProducerState]) -> PPOUpdatePayload:
    """Return the last payloads of all ranks, merged."""
    return _merge_once([rank.ppo_updates[-1].payload for rank in ranks])


def common_payloads(ranks: Sequence[ProducerState]) -> list[PPOUpdatePayload]:
    """Return the payloads of the last updates that all ranks have made, merged, oldest first."""
    if len(ranks) == 1:
        return [update.payload for update in ranks[0].ppo_updates]
    updates = [{update.update: update.payload for update in rank.ppo_updates} for rank in ranks]
    return [_merge_once(payloads) for payloads in common_updates(updates)]


def _merge_once(payloads: Sequence[PPOUpdatePayload]) -> PPOUpdatePayload:
    if len(payloads) == 1:
        return payloads[0]
    key = tuple(map(id, payloads))
    known = _merged.get(key)
    if known is None:
        known = _merged[key] = (payloads, _merge(payloads))
        if len(_merged) > _REMEMBERED:
            _merged.popitem(last=False)
    return known[1]


def _merge(payloads: Sequence[PPOUpdatePayload]) -> PPOUpdatePayload:
    heads = dict.fromkeys(head for payload in payloads for head in payload.heads)
    merged = merge(payloads)
    return replace(merged, heads=merged_heads(payloads, heads)) if heads else merged
