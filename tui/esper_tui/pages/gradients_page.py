"""GRADIENTS & LSTM, opened: the metrics, then the gradients of heads and of layers as they were sampled."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise

from esper_schemas.events import HeadGradientsCompared, LayerGradientsSampled
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.charts.bars import bar
from esper_tui.pages.metric_pages import metric_entry
from esper_tui.pages.page import Entry, wrapped
from esper_tui.panels.metric_panels import METRIC_PANELS, listed_metrics
from esper_tui.text.choice_names import head_label
from esper_tui.text.numbers import count, number
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, left, right, text_width
from esper_tui.view.rank_labels import prefixed, rank_labels
from esper_tui.view.view import View

NAME_WIDTH, COLUMN_WIDTH, BAR_WIDTH = 16, 10, 30
SAME = "·"


def gradient_entries(view: View, width: int) -> list[Entry]:
    """The metrics of the panel, then the samples of heads and layers."""
    metrics = (
        metric_entry(view.snapshot, name)
        for name in listed_metrics(METRIC_PANELS["gradients"], view.snapshot)
    )
    return [*metrics, *_heads(view.snapshot), *_layers(view.snapshot, width)]


def _heads(snapshot: SanctumSnapshot) -> Iterator[Entry]:
    """A table with the norm of each head's gradient, and its cosines with those of the others."""
    if snapshot.head_gradients is None:
        return
    compared = snapshot.head_gradients.comparison
    heads = [clean(head) for head in compared.heads]
    yield _separator(snapshot, snapshot.head_gradients.producer, compared.update)
    names = (right(head_label(head), COLUMN_WIDTH, Tone.LABEL) for head in heads)
    yield Entry((left("Cosine", NAME_WIDTH, Tone.LABEL), right("norm", COLUMN_WIDTH, Tone.LABEL), *names))
    cosines = _cosines(compared)
    for place, (head, norm) in enumerate(zip(heads, compared.norms, strict=False)):
        row = (
            left(f"  {head_label(head)}", NAME_WIDTH, Tone.LABEL),
            right(number(norm, 4, COLUMN_WIDTH - 1), COLUMN_WIDTH, Tone.VALUE),
            *(_cosine(cosines, place, other) for other in range(len(heads))),
        )
        yield Entry(row, _details(_head_text(head, compared)))


def _separator(snapshot: SanctumSnapshot, producer: str, update: int) -> Entry:
    """A blank row, or one that names the rank whose sample follows if there are several ranks."""
    labels = rank_labels(snapshot)
    sampled = prefixed(labels, producer, f"sampled in update {count(update)}")
    return Entry((Span(sampled, Tone.DIM),) if labels else ())


def _head_text(head: str, compared: HeadGradientsCompared) -> str:
    return (
        f"The gradient of {head_label(head)} in the part of the network that the heads share, in update "
        f"{count(compared.update)}: its norm, and its cosine with the gradient of every other head. Near -1 "
        "two heads undo what the other learns; near 0 they do not affect each other."
    )


def _cosines(compared: HeadGradientsCompared) -> dict[tuple[int, int], float]:
    pairs = combinations(range(len(compared.heads)), 2)
    return dict(zip(pairs, compared.cosines, strict=False))


def _cosine(cosines: dict[tuple[int, int], float], place: int, other: int) -> Span:
    if place == other:
        return right(SAME, COLUMN_WIDTH, Tone.DIM)
    value = cosines.get((min(place, other), max(place, other)))
    opposed = value is not None and value < 0
    return right(number(value, 2, COLUMN_WIDTH - 1), COLUMN_WIDTH, Tone.PLAIN if opposed else Tone.VALUE)


def _layers(snapshot: SanctumSnapshot, width: int) -> Iterator[Entry]:
    """The norm of each layer's gradient, with the magnitudes of its entries as details."""
    if snapshot.layer_gradients is None:
        return
    sample = snapshot.layer_gradients.sample
    longest = max(map(text_width, sample.grad_norms), default=0)
    name_width = max(min(longest + 2, width - 12), NAME_WIDTH)
    yield _separator(snapshot, snapshot.layer_gradients.producer, sample.update)
    for name, norm in sorted(sample.grad_norms.items()):
        row = (left(clean(name), name_width, Tone.LABEL), right(number(norm, 6, 10), 11, Tone.VALUE))
        text = f"The norm of one layer's gradient, sampled in update {count(sample.update)}."
        yield Entry(row, _details(text, magnitude_rows(sample, name)))


def magnitude_rows(sample: LayerGradientsSampled, name: str) -> Rows:
    """The number of entries of a parameter's gradient in each bin of magnitudes."""
    counts = sample.magnitudes.get(name, ())
    total = sum(max(number_of, 0) for number_of in counts)
    return tuple(
        _magnitude(title, number_of, number_of / total if total else 0.0)
        for title, number_of in zip(_bins(sample.magnitude_bounds), counts, strict=False)
    )


def _bins(bounds: Sequence[float]) -> Iterator[str]:
    written = [f"{bound:.0e}" for bound in bounds]
    if written:
        yield f"below {written[0]}"
    yield from (f"{low} to {high}" for low, high in pairwise(written))
    if written:
        yield f"from {written[-1]}"
    yield "not finite"


def _magnitude(title: str, number_of: int, share: float) -> Row:
    return (
        left(title, 18, Tone.LABEL),
        right(count(number_of), 8, Tone.VALUE),
        Span("  "),
        *bar(share, BAR_WIDTH, Tone.VALUE),
    )


def _details(text: str, more: Rows = ()) -> Callable[[int], Rows]:
    return lambda width: (*wrapped(text, width), *more)
