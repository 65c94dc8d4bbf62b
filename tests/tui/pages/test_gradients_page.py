"""Tests of esper_tui.pages.gradients_page."""

from msgspec import structs

from esper_schemas.events import LayerGradientsSampled
from esper_schemas.snapshot import (
    LayerGradientsEntry,
)
from esper_tui.pages.gradients_page import gradient_entries
from esper_tui.pages.opened_panel import opened_rows
from esper_tui.text.spans import plain
from esper_tui.view.view import View


def test_an_opened_panel_lists_the_layers_that_were_sampled(make_snapshot, make_feed, text, now):
    """Each layer has the norm of its gradient."""
    sample = LayerGradientsSampled(update=16, grad_norms={"lstm.weight": 0.25})
    entry = LayerGradientsEntry(at_ns=now, producer="r0", sample=sample)
    view = View(make_feed(structs.replace(make_snapshot(), layer_gradients=entry)), now)
    lines = text(opened_rows(view, "gradients", 999, 100, 40))

    assert any(line.split() == ["▸", "lstm.weight", "0.250000"] for line in lines)
    assert any("sampled in update 16" in line for line in lines)


def test_opened_gradients_compare_the_heads(page):
    """The table has the norm of each head and the cosine of each pair, and its help explains them."""
    said = page("gradients", "slot")

    assert [line.split() for line in said.splitlines() if line.strip().startswith(("op ", "▸   slot"))] == [
        ["op", "0.1000", "·", "0.50", "-0.25"],
        ["▸", "slot", "0.2000", "0.50", "·", "0.00"],
    ]
    assert "undo what the other learns" in said


def test_opened_gradients_show_the_magnitudes_of_a_layer(page):
    """Gradient entries are counted between the bounds of the sample."""
    lines = [" ".join(line.split()) for line in page("gradients", "lstm.weight").splitlines()]

    assert any(line.startswith("below 1e-08 10 ━") for line in lines)
    assert any(line.startswith("1e-08 to 1e-04 60 ━") for line in lines)
    assert any(line.startswith("not finite 0 ─") for line in lines)


def test_samples_name_their_rank_if_there_are_several(view, make_feed, now):
    """They are not merged over the ranks."""
    snapshot = view.snapshot
    several, alone = (
        [plain(entry.row) for entry in gradient_entries(View(make_feed(shown), now), 116)]
        for shown in (snapshot, structs.replace(snapshot, ranks=snapshot.ranks[:1]))
    )

    assert several.count("rank 0: sampled in update 16") == 2
    assert not any("rank" in line for line in alone)
