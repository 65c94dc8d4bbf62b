"""Tests of esper_tui.pages.value_page."""


def test_opened_value_shows_how_the_return_went(page):
    """Against always waiting, with its own chart."""
    said = page("value", "Mean return")

    assert "WAIT 0.385" in said
    assert "of 17" in said
