"""Sends a note to the aggregator of a run."""

from contextlib import closing

from esper_bus.addresses import Endpoints
from esper_bus.auth.keys import ClientKeys
from esper_bus.net.query_client import QueryClient
from esper_bus.protocol.query_messages import AggregatorHealth, HealthQuery, NoteQuery, NoteWritten
from esper_schemas.errors import Refused

TIMEOUT_S = 5.0


def send_note(
    endpoints: Endpoints, note: NoteQuery, keys: ClientKeys | None = None, timeout_s: float = TIMEOUT_S
) -> int | None:
    """Send a note; returns the update that it is about, once it is in the log.

    Raises `Refused` if the aggregator does not take it, and `Unreachable` if it does not answer.
    """
    with closing(QueryClient(endpoints, keys)) as client:
        health = client.ask(HealthQuery(), timeout_s)
        if not isinstance(health, AggregatorHealth) or not health.notes:
            raise Refused(
                f"No notes can be written at {endpoints.query}: it is a replay, or of an old version."
            )
        answer = client.ask(note, timeout_s)
    if not isinstance(answer, NoteWritten):
        raise Refused("The aggregator answered in an unexpected format; install the same esper-lite on both.")
    return answer.update
