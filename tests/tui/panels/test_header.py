"""Tests of esper_tui.panels.header."""

import math

import pytest
from msgspec import structs

from esper_schemas import TamiyoState
from esper_schemas.snapshot import LinkHealth
from esper_tui.panels.header import header_rows
from esper_tui.text.spans import Tone, plain
from esper_tui.view.connection_status import SYMBOLS, ConnectionState, judge_feed
from esper_tui.view.view import View

LIVE = "● LIVE 0s HEALTHY"
ALL = "! 120 dropped  ! 31 gaps  ! 12 rejected  ! 4 unknown  ! 2 duplicate names"
PROGRESS = ["update", "17/100", "12345", "steps/s"]


@pytest.fixture
def header(text, now):
    """The lines of the header for a feed."""

    def lines(feed, width=120, height=2, newest=None):
        return text(header_rows(View(feed, now, newest), width, height))

    return lines


@pytest.fixture
def every_state(feeds, make_feed, make_snapshot, now):
    """A feed for each state; in most, the age of the last message needs many cells."""
    ended = {name: make_feed(make_snapshot(outcome=name)) for name in ("interrupted", "failed")}
    hangs = make_feed(make_snapshot(last_event_ns=now - 75 * 10**9))
    found = {**feeds, "live": feeds["healthy"], "stalled": hangs, **ended}
    assert all(judge_feed(found[state], now).state is state for state in ConnectionState)
    return found


def test_the_header_shows_state_run_progress_speed_and_return(header, make_feed):
    """The first line has state, verdict, run, progress and speed; the second the return, and the times since
    the start and until the planned end.
    """
    first, second = header(make_feed())

    assert first.split() == ["●", "LIVE", "0s", "HEALTHY", "digits-lite-7f3a", *PROGRESS]
    curve = "▁▁▁▃▂▂▄▄▃▆▅▅▇▇▆██"
    returns, times = (
        ["return", "0.412", "WAIT", "0.385", "+0.027", curve],
        ["elapsed", "12m03s", "ETA", "6m54s"],
    )
    assert second.split() == [*returns, *times]


@pytest.mark.parametrize(("width", "updates"), [(120, 17), (80, 17), (74, 11), (60, 8), (50, 0)])
def test_the_curve_of_the_return_takes_the_remaining_space(header, make_feed, width, updates):
    """It shows the newest updates and is left out if there is too little space."""
    second = header(make_feed(), width)[1]

    assert sum(char in "▁▂▃▄▅▆▇█" for char in second) == updates


def test_no_number_is_shown_before_the_first_update(header, feeds):
    """A value that was not measured is not shown as zero."""
    first, second = header(feeds["waiting"])

    assert first.strip() == "○ WAITING  NO DATA"
    assert "0" not in second.replace("ipc:///run/user/1000", "")


def test_a_return_below_the_baseline_has_its_sign(header, make_feed, make_snapshot):
    """The difference is signed, so that it needs no colour."""
    assert "-0.135" in header(make_feed(make_snapshot(mean_return=0.25)))[1]


def test_an_unbounded_run_has_no_total(header, make_feed, make_snapshot):
    """An unbounded run shows the number of its updates only."""
    assert "update 17 " in header(make_feed(make_snapshot(episodes=None)))[0]


def test_lost_events_are_marked(header, make_feed, make_snapshot):
    """Dropped, missing and rejected events are named, worst first; repeated ones have no mark."""
    link = LinkHealth(gaps=3, dropped=12, rejected=1, unknown=2, duplicates=4)
    second = header(make_feed(structs.replace(make_snapshot(), link=link)))[1]

    assert "! 12 dropped  ! 3 gaps  ! 1 rejected  ! 2 unknown  " in second
    assert header(make_feed(structs.replace(make_snapshot(), link=link)), 160)[1].endswith("  4 repeated")


@pytest.fixture
def lossy(every_state):
    """A feed of a given state whose link has every kind of problem."""
    wrong = LinkHealth(dropped=120, gaps=31, rejected=12, unknown=4, duplicate_producers=2, lag_ms=900.0)

    def make(state):
        feed = every_state[state]
        return structs.replace(feed, snapshot=structs.replace(feed.snapshot, link=wrong))

    return make


@pytest.mark.parametrize(
    "state", [state for state in ConnectionState if state is not ConnectionState.WAITING]
)
@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 160])
def test_the_worst_problem_of_the_link_is_never_left_out(header, lossy, state, width):
    """It takes precedence over a sentence, the return and its curve."""
    second = header(lossy(state), width)[1]

    assert "! 120 dropped" in second
    assert len(second) < width


@pytest.mark.parametrize("width", range(17, 100))
def test_without_a_return_the_link_is_shown_alone(header, lossy, width):
    """It is shown even if it needs the whole row."""
    feed = lossy(ConnectionState.LIVE)
    run = structs.replace(feed.snapshot.run, mean_return=None)
    feed = structs.replace(feed, snapshot=structs.replace(feed.snapshot, run=run))

    assert "! 120 dropped" in header(feed, width)[1]


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (160, f"{ALL}  elapsed 12m03s  ETA 6m54s  lag 900 ms"),
        (120, ALL),
        (95, "! 120 dropped  ! 31 gaps  ! 12 rejected  ! 4 unknown"),
        (80, "! 120 dropped  ! 31 gaps  ! 12 rejected"),
        (60, "! 120 dropped  ! 31 gaps"),
        (52, "! 120 dropped"),
    ],
)
def test_the_link_is_cut_by_whole_items(header, lossy, width, said):
    """The worst item comes first; the return beside it keeps its place."""
    second = header(lossy(ConnectionState.LIVE), width)[1]

    assert second.startswith(" return 0.412  WAIT 0.385  +0.027  ")
    assert second.endswith(f"  {said}")


def test_the_end_of_a_run_has_sentence_return_and_lost_events(header, lossy):
    """The row has the sentence, the return and the lost events."""
    second = header(lossy(ConnectionState.FINISHED))[1]

    assert second.startswith(" Run completed after 17 updates in 12m03s.  ")
    assert "  return 0.412  WAIT 0.385  +0.027  " in second
    assert second.endswith("  ! 120 dropped  ! 31 gaps  ! 12 rejected")


@pytest.mark.parametrize(
    ("width", "second"),
    [
        (40, " return 0.412  ! 120 dropped  ! 31 gaps"),
        (24, "          ! 120 dropped"),
        (12, " ! 120 drop"),
    ],
)
def test_lost_events_are_dropped_after_the_return(header, lossy, width, second):
    """In a narrow window the comparison is dropped first, then the return."""
    assert header(lossy(ConnectionState.LIVE), width)[1] == second


def test_a_healthy_link_is_not_mentioned(header, make_feed, make_snapshot):
    """Zero gaps, drops and lag take no space."""
    second = header(make_feed(structs.replace(make_snapshot(), link=LinkHealth())))[1]

    assert second.strip().startswith("return 0.412  WAIT 0.385  +0.027")
    assert second.strip().endswith("ETA 6m54s")


def test_a_problem_of_the_source_is_shown(header, make_feed):
    """The second line starts with its message."""
    second = header(make_feed(problem="The aggregator refuses this key."))[1]

    assert second.strip().startswith("The aggregator refuses this key.")


def test_a_silent_feed_shows_for_how_long(header, feeds):
    """The states stale and disconnected include the time since the last message."""
    assert header(feeds["stale"])[0].strip().startswith("◐ STALE 1m15s")
    assert header(feeds["disconnected"])[0].strip().startswith("◇ DISCONNECTED 1m15s")


@pytest.mark.parametrize("width", [10, 60, 80])
def test_one_row_shows_that_a_run_failed(make_feed, make_snapshot, tone_of, now, width):
    """The state itself says so at every width, because the sentence is dropped first."""
    view = View(make_feed(make_snapshot(outcome="failed", reason="disk full")), now)
    (row,) = header_rows(view, width, 1)

    assert plain(row).startswith(" ✗ FAILED")
    assert tone_of(row, "✗ FAILED") is Tone.CRITICAL


def test_a_paused_screen_shows_how_far_behind_it_is(header, make_feed, make_snapshot, make_state):
    """Progress is that of the paused snapshot, the distance is that to the newest update."""
    newest = make_feed(make_snapshot(make_state(ppo_updates_count=20, last_update=20)))
    first = header(make_feed(), newest=newest)[0]

    assert "PAUSED, 3 updates behind" in first
    assert "update 17/100" in first


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (120, f"{LIVE} digits-lite-7f3a update 17/100 return 0.412 ETA 6m54s elapsed 12m03s 12345 steps/s"),
        (80, f"{LIVE} update 17/100 return 0.412 ETA 6m54s elapsed 12m03s"),
        (60, f"{LIVE} update 17/100 return 0.412 ETA 6m54s"),
        (44, "● LIVE 0s HEALTHY 17/100 return 0.412"),
        (30, "● LIVE 0s HEALTHY 0.412"),
        (16, "● LIVE 0s"),
    ],
)
def test_a_header_of_one_row_has_the_return(header, make_feed, width, words):
    """In the lowest windows the second line is dropped; the return moves to the first, before the speed."""
    (line,) = header(make_feed(), width, height=1)

    assert line.split() == words.split()


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [
        (160, 2, "● LIVE 0s CRITICAL policy collapse since 12 digits-lite-7f3a update 17/100 12345 steps/s"),
        (120, 2, "● LIVE 0s CRITICAL policy collapse since 12 digits-lite-7f3a update 17/100 12345 steps/s"),
        (80, 2, "● LIVE 0s CRITICAL policy collapse since 12 update 17/100 12345 steps/s"),
        (52, 2, "● LIVE 0s CRITICAL policy collapse since 12"),
        (52, 1, "● LIVE CRITICAL policy collapse since 12 0.412"),
        (44, 1, "● LIVE CRITICAL policy collapse 0.412"),
        (40, 1, "● CRITICAL policy collapse 0.412"),
        (30, 1, "● CRITICAL policy collapse"),
        (20, 1, "● LIVE CRITICAL"),
        (14, 1, "● CRITICAL"),
        (10, 1, "● LIVE"),
    ],
)
def test_the_verdict_and_its_reason_are_in_the_first_row_of_every_window(
    header, make_feed, make_snapshot, with_finding, width, height, shown
):
    """Name, speed, progress and the state's own words are left out first, then since when, then why."""
    snapshot = with_finding(make_snapshot(), rule="policy_collapse")

    first = header(make_feed(snapshot), width, height)[0]

    assert first.split() == shown.split()


def test_the_return_has_the_tone_of_a_finding_about_it(make_feed, make_snapshot, with_finding, tone_of, now):
    """A return that is not finite shows the finding."""
    snapshot = with_finding(make_snapshot(mean_return=math.nan), "mean_return")

    found, calm = (header_rows(View(make_feed(s), now), 120, 2)[1] for s in (snapshot, make_snapshot()))

    assert next(span.tone for span in found if span.text == "NaN") is Tone.CRITICAL
    assert tone_of(calm, "0.412") is Tone.PLAIN


def test_a_header_of_one_row_without_a_return_has_the_usual_line(header, make_feed, make_snapshot):
    """Nothing is left out for a return that is not known."""
    feed = make_feed(make_snapshot(mean_return=None))

    assert header(feed, height=1) == header(feed, height=2)[:1]


def test_a_run_without_updates_shows_the_step_of_its_last_value(header, make_feed, make_snapshot):
    """It is the only sign of progress of a run that logs nothing but scalars of its own."""
    snapshot = make_snapshot(TamiyoState(), last_step=98_304)

    assert "step 98304 " in header(make_feed(snapshot))[0]


@pytest.mark.parametrize("width", range(3, 90, 3))
@pytest.mark.parametrize("state", ConnectionState)
def test_the_state_is_dropped_last(header, every_state, state, width):
    """Name, speed, progress and age are dropped first, then the word; the symbol always stays."""
    symbol, word = SYMBOLS[state][0], state.value.upper()
    first = header(every_state[state], width=width)[0]

    has_room = width >= len(f" {symbol} {word} ")
    assert first.startswith(f" {symbol} {word}" if has_room else f" {symbol}")


LONG = "The aggregator refuses this key; ask for another one on its host, or name the key file with --keys."


@pytest.mark.parametrize(
    "state", [state for state in ConnectionState if state is not ConnectionState.WAITING]
)
@pytest.mark.parametrize("problem", ["", LONG])
@pytest.mark.parametrize("size", [(60, 1), (60, 2), (80, 2), (100, 2), (200, 2)])
def test_the_return_is_in_the_header_of_every_window(header, lossy, with_finding, state, problem, size):
    """Neither a long reason, nor a sentence, nor lost events take its place, from 60 columns on."""
    feed = structs.replace(lossy(state), problem=problem)
    found = with_finding(feed.snapshot, "kl_divergence", rule="head_entropy_collapse", head="alpha_target")
    feed = structs.replace(feed, snapshot=found)

    assert "0.412" in "".join(header(feed, *size))


def test_a_recording_has_its_date_and_neither_lag_nor_speed(header, make_feed, make_snapshot):
    """These were so at its end, which is long ago; its elapsed time does not grow."""
    first, second = header(make_feed(make_snapshot(), live=False))

    assert first.split() == [
        "◆",
        "REPLAY",
        "2023-11-14",
        "22:13",
        "HEALTHY",
        "digits-lite-7f3a",
        *PROGRESS[:2],
    ]
    assert "elapsed 12m03s" in second
    assert "lag" not in second
    assert "ETA" not in second


@pytest.mark.parametrize("state", ["stalled", "stale", "disconnected", "finished", "interrupted"])
def test_a_run_that_makes_no_updates_has_no_planned_end(header, every_state, state):
    """The time until its end is not known."""
    assert "ETA" not in "".join(header(every_state[state], 200))


def test_the_times_of_a_paused_screen_are_those_of_its_snapshot(header, make_feed):
    """The time until the end would be one from an unknown moment."""
    feed = make_feed()
    second = header(feed, newest=feed)[1]

    assert "elapsed 12m03s" in second
    assert "ETA" not in second
