"""Tests of esper_tui.pages.vitals_page."""


def test_opened_vitals_list_the_checkpoints(page):
    """Each has its update, time, duration, path and producer; other rows have their help."""
    said = page("vitals", "Saved after")

    assert "10  22:12:15  in 48 ms  checkpoints/00000010-rank0.pt  by host0:0" in said
    assert "Steps of all environments" in page("vitals", "Env steps")
    assert "Wall time of the PPO update" in page("vitals", "Update")
