"""A note is asked for in one line, written about the update that is shown, and its outcome is shown."""

import pytest

from esper_schemas.events import Annotated
from esper_tui.app import SanctumApp


class Notes:
    """Keeps what is written, and says what a test wants it to say."""

    def __init__(self):
        self.written = []
        self.said = []

    def write(self, run, note):
        """Keep a note."""
        self.written.append((run, note))

    def outcomes(self):
        """What became of the notes."""
        while self.said:
            yield self.said.pop()


@pytest.fixture
def notes():
    """What writes the notes of the app."""
    return Notes()


@pytest.fixture
def app(several_runs, now, recorded_past, notes):
    """The main screen on a run of 17 updates."""
    return SanctumApp(
        several_runs, clock=lambda: now, open_history=lambda run: recorded_past(run), notes=notes
    )


def notices(app):
    """The messages of the notifications."""
    return [notice.message for notice in app._notifications]


async def until(pilot, is_true):
    """Let the app run until a condition holds."""
    for _ in range(1000):
        if is_true():
            return
        await pilot.pause(0.01)
    pytest.fail("it did not become true")


async def test_a_note_is_about_the_update_that_is_shown(app, notes):
    """Keys are letters of it while it is written; what became of it is shown."""
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("m", *"quit m", "enter")
        await until(pilot, lambda: notes.written)
        run = app.view().snapshot.run.run
        assert notes.written == [(run, Annotated(text="quit m", update=17))]
        notes.said.append("Noted about update 17.")
        await until(pilot, lambda: "Noted about update 17." in notices(app))


async def test_a_note_may_be_about_the_past(app, notes):
    """The update is the one on the screen then."""
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("comma")
        await until(pilot, lambda: app.view().snapshot.tamiyo.last_update == 16)
        await pilot.press("m", "a", "enter")
        await until(pilot, lambda: notes.written)
    assert notes.written[0][1].update == 16


@pytest.mark.parametrize("keys", [("escape",), ("a", "escape"), ("enter",)])
async def test_no_note_is_written_without_a_text(app, notes, keys):
    """Nor after escape."""
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("m", *keys)
        await until(pilot, lambda: type(app.screen).__name__ == "MainScreen")
    assert notes.written == []


async def test_a_text_that_is_too_long_is_refused_at_once(app, notes):
    """With a sentence, and without asking the writer."""
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("m")
        app.screen.query_one("Input").value = "x" * 501
        await pilot.press("enter")
        await until(pilot, lambda: any("at most 500" in notice for notice in notices(app)))
    assert notes.written == []


async def test_without_a_writer_notes_are_not_asked_for(several_runs, now):
    """A sentence says where they can be written."""
    app = SanctumApp(several_runs, clock=lambda: now)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: any("Notes are written about" in notice for notice in notices(app)))
        assert type(app.screen).__name__ == "MainScreen"
