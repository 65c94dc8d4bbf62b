"""Names of the processes of a run, for what is of one of them only, such as a decision."""

from collections import Counter
from collections.abc import Mapping

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.text.spans import clean, crop

WIDTH = 9
"""Cells of a column of labels, with a blank behind the label."""


def rank_labels(snapshot: SanctumSnapshot) -> dict[str, str]:
    """The labels of all producers: "rank 3", or the name of one that is not alone. A single one has none."""
    if len(snapshot.ranks) < 2:
        return {}
    number_of = Counter(rank.rank for rank in snapshot.ranks)
    return {
        rank.producer: f"rank {rank.rank}" if number_of[rank.rank] == 1 else clean(rank.producer)
        for rank in snapshot.ranks
    }


def short_label(labels: Mapping[str, str], producer: str, width: int = WIDTH - 1) -> str:
    """The label of one producer in this width, "r3" where "rank 3" does not fit; empty without labels."""
    if not labels:
        return ""
    label = labels.get(producer, clean(producer))
    return crop(label if len(label) <= width else label.replace("rank ", "r"), width)


def prefixed(labels: Mapping[str, str], producer: str, text: str) -> str:
    """A text behind the label of the producer that it is from: "rank 3: text"."""
    return f"{labels.get(producer, clean(producer))}: {text}" if labels else text
