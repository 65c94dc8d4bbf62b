"""The page of injected faults matches the scenarios."""

from docs.make_faults import PAGE, page


def test_the_page_of_faults_is_up_to_date():
    """It equals what `python -m docs.make_faults` writes."""
    assert PAGE.read_text() == page()
