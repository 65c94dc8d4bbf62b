"""Tests of esper_tui.pages.connection_pages: RANKS, LINK and RUNS."""


def test_opened_runs_say_what_the_watched_one_was_started_with(page, view):
    """In a recorded log it is the only one."""
    assert "telemetry normal · seed 3 · learning_rate 0.0015" in page("runs", view.snapshot.run.run)


def test_opened_ranks_say_where_each_runs(page):
    """And why the slowest is marked."""
    assert "on an unknown host" in page("ranks", "!")
    assert "the others wait for it" in page("ranks", "!")
