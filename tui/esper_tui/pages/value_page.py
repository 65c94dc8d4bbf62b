"""VALUE, opened: the metrics of the critic, and the history of the mean return."""

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.alarms import return_alarm
from esper_tui.metrics.metric_help import history_rows
from esper_tui.pages.metric_pages import LABEL_WIDTH, metric_entry
from esper_tui.pages.page import Entry
from esper_tui.panels.metric_panels import METRIC_PANELS, listed_metrics
from esper_tui.text.explanation import Explanation, explanation_rows
from esper_tui.text.numbers import count, number
from esper_tui.text.spans import Rows, Span, Tone, left, right
from esper_tui.text.theme import ALARM_TONES
from esper_tui.view.view import View

MEAN_RETURN = Explanation(
    "Mean undiscounted return of a rollout's episodes, of all ranks, and its standard deviation; WAIT is "
    "that of a policy that never acts.",
    "rising, above WAIT",
)


def value_entries(view: View, width: int) -> list[Entry]:
    """The metrics of the panel, then the mean return."""
    metrics = [
        metric_entry(view.snapshot, name) for name in listed_metrics(METRIC_PANELS["value"], view.snapshot)
    ]
    return [*metrics, mean_return_entry(view.snapshot)]


def mean_return_entry(snapshot: SanctumSnapshot) -> Entry:
    """The mean return, its baseline and its last values."""
    run, episodes = snapshot.run, snapshot.episodes
    row = (
        left("Mean return", LABEL_WIDTH, Tone.LABEL),
        right(number(run.mean_return, 3, 10), 11, ALARM_TONES.get(return_alarm(snapshot), Tone.VALUE)),
        Span("" if run.std_return is None else f" ± {number(run.std_return, 3, 9)}", Tone.DIM),
        Span(f"      WAIT {number(run.baseline_return, 3, 9)}", Tone.DIM),
        Span(f"   {count(episodes.completed)} episodes", Tone.DIM),
    )

    def details(width: int) -> Rows:
        history = history_rows(run.mean_return_history, 3, width) if run.mean_return_history else ()
        return (*explanation_rows(MEAN_RETURN, width), *history)

    return Entry(row, details, metrics=("mean_return",))
