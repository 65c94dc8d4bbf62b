"""Tests of esper_tui.pages.scalars_page."""

from cProfile import Profile
from pstats import Stats

import pytest
from tests.tui.foreign import hostile_scalars, many_scalars, sb3

from esper_schemas.source import Feed
from esper_tui.pages.opened_panel import opened_rows
from esper_tui.pages.page import GroupKey, entry_keys
from esper_tui.pages.scalars_page import PROBLEMS, scalar_entries
from esper_tui.text.spans import plain, row_width
from esper_tui.view.view import View

LAYERS = GroupKey("group", "layers/")


def entries(snapshot, *toggled):
    """The entries of a snapshot's page."""
    return scalar_entries(View(Feed(snapshot=snapshot), 0, toggled=frozenset(toggled)), 100)


def headings(found):
    """The headings of the groups."""
    return [plain(entry.row) for entry in found if isinstance(entry.key, GroupKey)]


def test_problems_are_listed_above_the_groups():
    """A scalar with a problem is in its group too, where it is looked for."""
    found = entries(sb3())

    assert headings(found) == [
        "- beyond their bounds  1",
        "- rollout/  1",
        "- eval/  2",
        "- time/  2",
        "- train/  3",
    ]
    assert [key for key in entry_keys(found) if not isinstance(key, GroupKey)][:2] == [
        (PROBLEMS, "rollout/success_rate"),
        (GroupKey("group", "rollout/"), "rollout/success_rate"),
    ]


def test_of_many_scalars_the_groups_are_collapsed():
    """Two thousand scalars are a page of headings, with the problems above them."""
    found = entries(many_scalars())

    assert len(found) == 7
    assert "+ layers/  1992" in headings(found)
    assert len(entries(many_scalars(), LAYERS)) == 7 + 1992
    assert len(entries(many_scalars(), PROBLEMS)) == 6


def test_a_scalar_is_explained(text):
    """Meaning, bounds, when it was logged, and the history."""
    entry = next(entry for entry in entries(sb3()) if "success_rate" in plain(entry.row))
    about = "\n".join(text(entry.details(80)))

    assert "Share of the episodes that reach the goal." in about
    assert "ok ≥ 0.5, ideally rising" in about
    assert "update 17, step 34816" in about
    assert "0.000 → 0.420" in about


def test_a_scalar_without_a_description_says_how_to_give_it_one(text):
    """Unit, meaning and bounds come from `define`."""
    entry = next(entry for entry in entries(sb3()) if "n_updates" in plain(entry.row))

    assert "`define` gives a scalar a unit" in " ".join(text(entry.details(200)))


@pytest.mark.parametrize("width", [1, 20, 79, 200])
def test_hostile_names_are_harmless(width):
    """In every row, and in the details of every entry."""
    found = scalar_entries(View(Feed(snapshot=hostile_scalars()), 0), width)
    for entry in found:
        for row in (entry.row, *entry.details(max(width, 30))):
            assert plain(row).isprintable()
            assert row_width(row) <= max(width, 60)


def test_a_page_of_a_run_without_scalars_is_not_empty():
    """It says what would be there."""
    assert len(entries(sb3(scalars={}))) == 1


def test_only_the_rows_in_sight_are_formatted():
    """In a list of two thousand scalars, forty are drawn."""
    view = View(Feed(snapshot=many_scalars()), 0, toggled=frozenset({LAYERS}))
    opened_rows(view, "scalars", 500, 100, 40)  # fills the caches
    with Profile() as profile:
        opened_rows(view, "scalars", 500, 100, 40)

    assert Stats(profile).total_calls < 25_000
