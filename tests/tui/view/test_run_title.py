"""Tests of esper_tui.view.run_title."""

import pytest

from esper_schemas.source import Feed
from esper_tui.view.run_title import run_title
from esper_tui.view.view import View


@pytest.mark.parametrize(
    ("state", "title"),
    [
        ("healthy", "HEALTHY 17/100 digits-lite-7f3a - sanctum"),
        ("critical", "CRITICAL 17/100 digits-lite-7f3a - sanctum"),
        ("disconnected", "DISCONNECTED HEALTHY 17/100 digits-lite-7f3a - sanctum"),
        ("finished", "FINISHED HEALTHY 17/100 digits-lite-7f3a - sanctum"),
        ("replay", "REPLAY HEALTHY 17/100 digits-lite-7f3a - sanctum"),
        ("waiting", "WAITING NO DATA - sanctum"),
    ],
)
def test_the_title_has_verdict_progress_and_run(feeds, now, state, title):
    """The verdict comes first, since narrow tabs cut titles; a state that is not live precedes it."""
    assert run_title(View(feeds[state], now)) == title


def test_the_title_of_a_paused_screen_is_about_now(feeds, now):
    """Whoever looks at another window sees that the run got worse."""
    assert run_title(View(feeds["healthy"], now, feeds["critical"])).startswith("CRITICAL 17/100 ")


def test_there_is_a_title_before_the_first_run(now):
    """It says what is waited for."""
    assert run_title(View(Feed(), now)) == "WAITING NO DATA - sanctum"
