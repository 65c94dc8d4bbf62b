"""Where an opened run is read from: its files, or an aggregator."""

import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from esper_bus.store.run_reader import read_records, refuse_unreadable, run_name
from esper_schemas.errors import InvalidArgument, Refused, StorageError, Unreachable
from esper_schemas.events import Record
from esper_schemas.history import Answer, Question, Unanswered

if TYPE_CHECKING:
    from esper_aggregator.past.run_answers import RunAnswers
    from esper_bus.addresses import Endpoints
    from esper_bus.auth.keys import ClientKeys
    from esper_bus.net.query_client import QueryClient

_POLL_S = 0.002


class RunSource(Protocol):
    """Reads one run; everything raises an `EsperError` where that fails."""

    @property
    def name(self) -> str:
        """The name of the run."""
        ...

    @property
    def origin(self) -> Path | str:
        """The path of the run, or the address of its aggregator."""
        ...

    def records(self) -> Iterator[Record]:
        """Iterate over all events that there are now."""
        ...

    def ask(self, question: Question) -> Answer:
        """Answer a question about the run as it is now; never `Unanswered`."""
        ...


class FileSource:
    """A run directory or an .mcap file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = run_name(path)

    @property
    def name(self) -> str:
        """The name that the files have."""
        return self._name

    @property
    def origin(self) -> Path:
        """The path."""
        return self._path

    def records(self) -> Iterator[Record]:
        """Iterate over all events, each once: the log in its order, then what only a spool has, by time."""
        return read_records(self._path, refuse_unreadable())

    def ask(self, question: Question) -> Answer:
        """Answer from the files. Raises `StorageError`."""
        from esper_aggregator.past.steps import finish

        answer = finish(self._answers.answer(question))
        if isinstance(answer, Unanswered):
            raise StorageError(answer.text)
        return answer

    @cached_property
    def _answers(self) -> "RunAnswers":
        from esper_aggregator.past.run_answers import RunAnswers  # only some programs fold

        return RunAnswers(self._path, on_damage=refuse_unreadable())


class AggregatorSource:
    """A run of an aggregator; `run` is its newest one by default.

    Raises `Refused` for a key that may not view, `Unreachable` if no aggregator answers.
    """

    def __init__(self, url: str, run: str | None, keys: Path | None) -> None:
        from esper_bus.addresses import parse
        from esper_bus.auth.keys import client_keys_for

        self._url = url
        self._endpoints: Endpoints = parse(url, keyed=keys is not None)
        self._keys: ClientKeys | None = None if keys is None else client_keys_for(self._endpoints.query, keys)
        self._name = run or self._newest_run()

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._name

    @property
    def origin(self) -> str:
        """The address of the aggregator."""
        return self._url

    def records(self) -> Iterator[Record]:
        """Iterate over the events of the log, page by page."""
        from esper_bus.protocol.query_messages import EventsPage, EventsQuery

        client, position = self._client(), 0
        try:
            while True:
                page = client.ask(EventsQuery(self._name, position))
                assert isinstance(page, EventsPage)
                records = page.records()
                yield from (record.decoded() for record in records)
                position += len(records)
                if page.at_end:
                    return
        finally:
            client.close()

    def ask(self, question: Question) -> Answer:
        """Ask the aggregator, and wait for its answer."""
        from esper_bus.net.remote_history import RemoteHistory

        history = RemoteHistory(lambda: self._endpoints, self._name, self._keys)
        try:
            history.ask(question)
            while True:
                for _, answer in history.answers():
                    return _answered(answer)
                time.sleep(_POLL_S)
        finally:
            history.close()

    def _client(self) -> "QueryClient":
        from esper_bus.net.query_client import QueryClient

        return QueryClient(self._endpoints, self._keys)

    def _newest_run(self) -> str:
        from esper_bus.protocol.query_messages import Runs, RunsQuery

        client = self._client()
        try:
            runs = client.ask(RunsQuery())
        finally:
            client.close()
        if not isinstance(runs, Runs) or not runs.names:
            raise InvalidArgument(f"The aggregator at {self._url} has no run yet; start a training.")
        return runs.names[0]


def _answered(answer: Answer) -> Answer:
    if isinstance(answer, Unanswered):
        raise (Unreachable if answer.temporary else Refused)(answer.text)
    return answer
