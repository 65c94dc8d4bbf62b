"""The title of the window: what a list of tabs should say about a training."""

from esper_schemas.verdict import verdict_of
from esper_tui.text.spans import clean
from esper_tui.view.connection_status import ConnectionState, judge_feed
from esper_tui.view.run_progress import updates_text
from esper_tui.view.view import View


def run_title(view: View) -> str:
    """The state unless it is live, the verdict, the progress and the run, as of now even while paused."""
    snapshot, state = view.link.snapshot, judge_feed(view.link, view.now_ns).state
    words = (
        "" if state is ConnectionState.LIVE else state.value.upper(),
        verdict_of(snapshot).word.value,
        updates_text(snapshot),
        clean(snapshot.run.run),
    )
    return " ".join(word for word in (*words, "- sanctum") if word)
