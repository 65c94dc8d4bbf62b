"""Tests of esper_tui.panels.footer."""

import pytest

from esper_tui.panels.footer import footer_rows
from esper_tui.view.view import View, ViewOptions


@pytest.mark.parametrize(
    ("opened", "keys"),
    [
        (
            None,
            "q quit ? help p pause tab panel enter open c chart T time x hide r runs t theme y copy s save",
        ),
        ("health", "q quit ? help p pause c chart esc back ] next [ previous r runs y copy s save"),
    ],
)
def test_the_footer_names_the_keys_of_its_screen(feeds, now, text, opened, keys):
    """It lists the commands that have a label, and the origin of the feed."""
    line = text(footer_rows(View(feeds["healthy"], now), ViewOptions(opened=opened), 150, 1))[0]

    assert line.split("ipc")[0].split() == keys.split()
    assert line.endswith("ipc:///run/user/1000/esper/main.sock")


@pytest.mark.parametrize(
    ("new", "said"),
    [(("beta",), " n new run beta  q quit"), (("c", "b", "a"), " n new run c and 2 more  q quit")],
)
@pytest.mark.parametrize("width", [60, 150])
def test_new_runs_are_announced(make_feed, now, text, new, said, width):
    """They precede the keys, so that they have a place in every window."""
    view = View(make_feed(new_runs=new), now)
    line = text(footer_rows(view, ViewOptions(), width, 1))[0]

    assert line.startswith(said)
