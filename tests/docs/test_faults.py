"""The page of faults is what the scenarios say."""

from docs.make_faults import PAGE, page


def test_the_page_of_faults_is_fresh():
    """Made again by `python -m docs.make_faults`."""
    assert PAGE.read_text() == page()
