"""Tests of esper_tui.pages.slots_page."""

from esper_schemas.heads import Stage
from esper_tui.pages.slots_page import STAGES


def test_every_stage_is_explained(page):
    """The help also says what the stage means for the slot."""
    assert set(STAGES) == set(Stage)
    assert "the slot stays closed" in page("slots", "embargoed")
