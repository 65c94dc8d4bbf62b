"""Tests of reading event files: hand-made ones, and those of real writers where these are installed."""

import struct

import pytest
from tests.api.importing.conftest import event, event_file, field, frame, scalar, updates

from esper_lite.importing.event_files import INCOMPLETE, NOT_EVENTS, EventFileReader
from esper_lite.importing.record_frames import WRONG_CHECKSUM
from esper_lite.importing.rows import Row


@pytest.fixture
def reader(facts, not_read):
    """Makes a reader of a file."""
    return lambda path: EventFileReader(path, facts, not_read)


def test_the_values_of_a_step_are_one_row(reader, log_dir):
    """SB3 writes one event per value; the time is that of the first."""
    path = event_file(log_dir / "tfevents", *updates(1, 2))
    first, second = reader(path).rows(final=True)

    assert (first.step, second.step) == (2048, 4096)
    assert first.time_ns == pytest.approx(1700000001.001e9, abs=1000)
    assert list(first.values) == ["rollout/ep_rew_mean", "train/approx_kl", "train/entropy_loss"]
    assert first.values["rollout/ep_rew_mean"] == 11.0


def test_a_repeated_tag_and_a_later_time_begin_a_row(reader, log_dir):
    """CleanRL logs several episodes at one step; an evaluation may come minutes after its step."""
    path = event_file(
        log_dir / "tfevents",
        event(10.0, 5, scalar("return", 1.0)),
        event(10.0, 5, scalar("return", 2.0), scalar("length", 7.0)),
        event(70.0, 5, scalar("eval", 3.0)),
    )
    rows = list(reader(path).rows(final=True))

    assert [row.values for row in rows] == [{"return": 1.0}, {"return": 2.0, "length": 7.0}, {"eval": 3.0}]


def test_a_growing_file_is_read_where_it_was_left(reader, log_dir, not_read):
    """A record that is half written is returned once it is complete; what is left at the end is counted."""
    whole = event_file(log_dir / "tfevents", *updates(1, 3)).read_bytes()
    path = log_dir / "growing"
    path.write_bytes(b"")
    growing = reader(path)
    values = 0
    with path.open("ab") as file:
        for at in range(0, len(whole), 100):
            file.write(whole[at : at + 100])
            file.flush()
            values += sum(len(row.values) for row in growing.rows(final=False))
        assert values == 9
        file.write(b"\x05")
    assert list(growing.rows(final=True)) == []
    assert not_read.lines() == [f"{INCOMPLETE}: 1"]


def test_the_identity_is_that_of_the_first_record(reader, log_dir):
    """A copy has the same one; a file begun at another time has another."""
    path = event_file(log_dir / "tfevents", *updates(1, 2))
    copy = log_dir / "copy"
    copy.write_bytes(path.read_bytes())
    other = event_file(log_dir / "other", *updates(1, 2), begin=1700000000.5)
    readers = [reader(path) for path in (path, copy, other)]
    before = [one.identity for one in readers]
    for one in readers:
        list(one.rows(final=True))

    assert before == ["", "", ""]
    assert readers[0].identity == readers[1].identity != readers[2].identity


def test_damage_is_counted_and_costs_its_records_only(reader, log_dir, not_read):
    """A wrong checksum, an intact record that is not an event, and the values after both."""
    first, *_, last = map(frame, updates(1, 2))
    path = log_dir / "tfevents"
    path.write_bytes(first + b"".join([frame(b"\xff\xff"), first[:-1] + b"\0", last]))
    rows = list(reader(path).rows(final=True))

    assert [list(row.values) for row in rows] == [["rollout/ep_rew_mean"], ["train/entropy_loss"]]
    assert (not_read[WRONG_CHECKSUM], not_read[NOT_EVENTS], len(not_read)) == (1, 1, 2)


@pytest.mark.parametrize("wall_time", [float("nan"), float("inf"), -5.0, 0.0, 1e300])
def test_a_time_that_cannot_be_one_is_left_out(reader, log_dir, wall_time):
    """The values are kept."""
    path = event_file(log_dir / "tfevents", event(wall_time, 1, scalar("a", 1.0)))

    assert list(reader(path).rows(final=True)) == [Row(None, 1, {"a": 1.0})]


def test_values_that_are_not_finite_are_kept(reader, log_dir):
    """NaN and infinity are measurements."""
    values = [scalar("nan", float("nan")), scalar("inf", float("inf"))]
    (row,) = reader(event_file(log_dir / "tfevents", event(1.0, 1, *values))).rows(final=True)

    assert row.values["nan"] != row.values["nan"]
    assert row.values["inf"] == float("inf")


def test_the_arguments_that_cleanrl_logs_as_a_text_are_the_configuration(reader, log_dir, facts, not_read):
    """Its table of parameters is a text; other texts and pictures are counted."""
    table = "|param|value|\n|-|-|\n|learning_rate|0.00025|\n|env_id|CartPole-v1|"
    text = field(9, field(1, field(1, "text")))
    tensor = field(8, field(1, 7) + field(8, table))
    note = field(8, field(1, 7) + field(8, "a note"))
    path = event_file(
        log_dir / "tfevents",
        event(1.0, 0, field(1, "hyperparameters/text_summary") + text + tensor),
        event(1.0, 0, field(1, "note") + text + note, field(1, "frame") + field(4, b"png")),
    )
    list(reader(path).rows(final=True))

    assert facts.config == {"learning_rate": "0.00025", "env_id": "CartPole-v1"}
    assert sorted(not_read.lines()) == [
        "images (frame): 1",
        "values of the TensorBoard plugin 'text' (note): 1",
    ]


def test_a_file_of_something_else_has_no_identity(reader, log_dir, not_read):
    """Arbitrary text gives no row and one damaged place."""
    path = log_dir / "tfevents"
    path.write_bytes(b"this is not an event file\n" * 100)
    foreign = reader(path)

    assert list(foreign.rows(final=True)) == []
    assert (foreign.identity, len(not_read)) == ("", 1)


def test_a_large_record_within_a_file_is_passed_over(reader, log_dir, not_read):
    """The values before and after it are read, in a growing file, too."""
    picture = event(1.0, 1, field(1, "frame") + field(4, bytes(3_000_000)))
    path = event_file(log_dir / "tfevents", updates(1, 1)[0], picture, *updates(2, 2))
    whole, growing = path.read_bytes(), reader(path)
    path.write_bytes(whole[:2_000_000])
    before = list(growing.rows(final=False))
    path.write_bytes(whole)
    after = list(growing.rows(final=True))

    assert [row.step for row in before + after] == [2048, 4096]
    assert len(not_read) == 1


@pytest.mark.slow
def test_the_files_of_torch_are_read(reader, log_dir, facts):
    """Scalars, several runs of `add_scalars`, histograms and hyper-parameters of a real SummaryWriter."""
    tensorboard = pytest.importorskip("torch.utils.tensorboard", exc_type=ImportError)
    with tensorboard.SummaryWriter(str(log_dir)) as writer:
        for step in range(5):
            writer.add_scalar("train/approx_kl", step / 8, step)
            writer.add_scalar("train/value_loss", step, step, new_style=True)
        writer.add_hparams({"lr": 0.5, "env": "CartPole"}, {}, run_name=".")
    rows = [row for path in sorted(log_dir.glob("*tfevents*")) for row in reader(path).rows(final=True)]

    assert [row.values for row in rows] == [
        {"train/approx_kl": step / 8, "train/value_loss": float(step)} for step in range(5)
    ]
    assert facts.config == {"lr": 0.5, "env": "CartPole"}


def test_a_value_of_a_single_precision_is_exact(reader, log_dir):
    """Event files hold single precision; nothing is rounded again."""
    (row,) = reader(event_file(log_dir / "tfevents", event(1.0, 1, scalar("a", 0.1)))).rows(final=True)

    assert row.values["a"] == struct.unpack("<f", struct.pack("<f", 0.1))[0]
