"""The past of what Sanctum shows: from the files of a recorded run, or from the aggregator of a live one."""

import time
from collections.abc import Callable
from pathlib import Path

from esper_bus import addresses
from esper_bus.auth.keys import client_keys_for
from esper_cli.output.command_failure import CommandError
from esper_cli.screen.source_selection import is_recorded, local_endpoints
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import InvalidArgument
from esper_schemas.history import (
    Answer,
    History,
    Marks,
    MarksQuestion,
    PastSnapshot,
    Question,
    SnapshotQuestion,
    Unanswered,
)
from esper_schemas.moment_text import moment_of

ANSWER_TIMEOUT_S = 600.0
"""The longest wait for an answer; a log of some 10⁷ events is folded within it when it is opened first."""
PAUSE_S = 0.005


def history_opener(
    target: str | None, key_file: Path | None = None, thresholds: RunThresholds | None = None
) -> Callable[[str], History]:
    """Return a function that opens the past of a run by its name, of the same target as `open_source`."""
    if is_recorded(target):
        from esper_aggregator.past.local_history import LocalHistory

        path = Path(target)
        return lambda run: LocalHistory(path, thresholds)
    from esper_bus.net.remote_history import RemoteHistory

    if target is None:
        return lambda run: RemoteHistory(local_endpoints, run)
    endpoints = addresses.parse(target, keyed=key_file is not None)
    keys = client_keys_for(endpoints.ingest, key_file)
    return lambda run: RemoteHistory(lambda: endpoints, run, keys)


def snapshot_at(history: History, text: str) -> tuple[PastSnapshot, Marks]:
    """Return the snapshot of the moment that a text names, and the marks of its run.

    Raises `CommandError` if the run does not have that moment, or its past cannot be had.
    """
    marks = answer_to(history, MarksQuestion())
    if not isinstance(marks, Marks):
        raise CommandError("the marks of the run cannot be read; try again")
    try:
        moment = moment_of(text, marks)
    except InvalidArgument as error:
        raise CommandError(f"--at {text}: {error}") from None
    past = answer_to(history, SnapshotQuestion(moment))
    if not isinstance(past, PastSnapshot):
        raise CommandError("the snapshot of that moment cannot be read; try again")
    return past, marks


def answer_to(history: History, question: Question) -> Answer:
    """Wait for the answer to a question. Raises `CommandError` with the reason if there is none."""
    number, deadline = history.ask(question), time.monotonic() + ANSWER_TIMEOUT_S
    while time.monotonic() < deadline:
        for answered, answer in history.answers():
            if answered == number:
                if isinstance(answer, Unanswered):
                    raise CommandError(answer.text)
                return answer
        time.sleep(PAUSE_S)
    raise CommandError("the past of the run was not read in time; try again")
