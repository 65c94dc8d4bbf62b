"""Tests of esper_tui.pages.value_page."""


def test_opened_value_shows_the_history_of_the_return(page):
    """It is compared with the WAIT baseline and has its own chart."""
    said = page("value", "Mean return")

    assert "WAIT 0.385" in said
    assert "of 17" in said
