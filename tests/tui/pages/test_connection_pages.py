"""Tests of esper_tui.pages.connection_pages: RANKS, LINK and RUNS."""


def test_opened_runs_show_the_configuration_of_the_watched_run(page, view):
    """The configuration is in the details of the run."""
    assert "telemetry normal · seed 3 · learning_rate 0.0015" in page("runs", view.snapshot.run.run)


def test_opened_ranks_show_their_host(page):
    """The details also say why the slowest rank is marked."""
    assert "on an unknown host" in page("ranks", "!")
    assert "the others wait for it" in page("ranks", "!")
