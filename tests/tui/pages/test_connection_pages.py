"""Tests of esper_tui.pages.connection_pages: LINK and RUNS."""


def test_opened_runs_show_the_configuration_of_the_watched_run(page, view):
    """The configuration is in the details of the run."""
    assert "telemetry normal · seed 3 · learning_rate 0.0015" in page("runs", view.snapshot.run.run)
