"""Changed key files, authenticator requests, questions and snapshots raise only the declared errors."""

import pytest
import zmq
from zmq.utils import z85

from esper_bus.auth.authenticator import Authenticator
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys, load_server_keys, read_clients
from esper_bus.protocol.event_batches import EventBatch, encode_batch, parse_batch
from esper_bus.protocol.frames import FrameError
from esper_bus.protocol.query_messages import (
    EventsPage,
    EventsQuery,
    Question,
    Refusal,
    Reply,
    SnapshotQuery,
    encode_question,
    encode_reply,
    parse_question,
    parse_reply,
)
from esper_bus.protocol.snapshot_deltas import DeltaDecoder, DeltaEncoder
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.errors import EsperError

RECORD = RawRecord(StreamKey("run", "host:0", 7), 3, 10**18, 10**18 + 5, b"\x80")
QUESTIONS = [Question(1, EventsQuery("run", 3, 9)), Question(2, SnapshotQuery("run", 4))]
REPLIES = [Reply(1, EventsPage.of("run", 3, [RECORD], at_end=True)), Reply(2, Refusal("No."))]


@pytest.fixture
def keys(tmp_path):
    """The directory of an aggregator with one client."""
    create_server_keys(tmp_path / "keys")
    add_client(tmp_path / "keys", "good")
    return tmp_path / "keys"


@pytest.mark.parametrize("messages", [map(encode_question, QUESTIONS), map(encode_reply, REPLIES)])
def test_changed_questions_and_answers_are_frame_errors(messages, mutations):
    """Each is parsed as both, and is valid or a `FrameError`."""
    for frames in messages:
        for which in (0, 1):
            for changed in mutations([frames[which]], 3_000):
                for parse in (parse_question, parse_reply):
                    try:
                        parse([*frames[:which], changed, *frames[which + 1 :]])
                    except FrameError:
                        continue


def test_a_changed_batch_of_events_is_one_or_a_frame_error(mutations):
    """Changes are made in topic, head and events."""
    frames = encode_batch(EventBatch("run", 5, 3, [RECORD]))
    for which in range(3):
        for changed in mutations([frames[which]], 4_000):
            try:
                parse_batch([*frames[:which], changed, *frames[which + 1 :]])
            except FrameError:
                continue


def test_a_changed_snapshot_delta_is_refused_or_bounded(mutations, peak_memory):
    """Both a keyframe and a delta are changed; a large length field allocates no memory."""
    encoder, decoder = DeltaEncoder(), DeltaDecoder()
    keyframe = encoder.encode(1, b"picture of a run " * 99, 0.0)
    difference = encoder.encode(2, b"picture of a rug " * 99, 0.1)
    for changed in mutations([keyframe, difference], 6_000):
        try:
            decoder.decode(2, changed)
            decoder.decode(1, keyframe)
        except FrameError:
            continue

    assert peak_memory() < 64 * 1024 * 1024


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "read"),
    [("server.key", load_server_keys), ("clients.json", read_clients), ("good.key", load_client_keys)],
)
def test_a_changed_key_file_is_read_or_refused(keys, name, read, mutations):
    """It is read completely, or raises an `EsperError`."""
    path = keys / name
    good = path.read_bytes()
    for changed in mutations([good], 2_000):
        path.write_bytes(changed)
        try:
            assert read(path if name == "good.key" else keys) is not None
        except EsperError:
            continue


def test_a_changed_request_admits_no_key(keys, mutations):
    """A request is accepted only with an allowed key, at a socket for which it is allowed."""
    good = load_client_keys(keys / "good.key")
    request = [b"1.0", b"1", b"esper.ingest", b"127.0.0.1", b"", b"CURVE", z85.decode(good.public)]
    with zmq.Context() as context:
        authenticator = Authenticator(context, keys)
        assert authenticator._answer(request)[2] == b"200"
        for number, changed in enumerate(mutations([part or b"x" for part in request[2:]], 4_000)):
            which = 2 + number % (len(request) - 2)
            asked = [*request[:which], changed, *request[which + 1 :]]
            allowed = asked[2] in (b"esper.ingest", b"esper.view") and asked[5:] == request[5:]
            assert (authenticator._answer(asked)[2] == b"200") == allowed
        for count in range(7):
            assert authenticator._answer(request[:count])[2] == b"400"
        authenticator.socket.close(0)
