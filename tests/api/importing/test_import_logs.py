"""Tests of making runs from logs: what is in them, and that nothing is recorded twice."""

import os
import shutil

import pytest
from tests.api.importing.conftest import event, event_file, field, folded, recorded, scalar, updates

from esper_bus.host.file_lock import FileLock
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, StreamKey
from esper_bus.store.spool import SpoolWriter
from esper_lite import RunFinished, RunStarted, ScalarsLogged, open_run
from esper_lite.importing.import_logs import PROGRESS_LEFT_OUT, import_logs, planned_runs, run_name
from esper_lite.importing.mapping import Mapping, Renamed
from esper_lite.importing.run_import import COPIES, SHORTER, STEP_BACK
from esper_schemas.codec import encode_event
from esper_schemas.errors import Damaged, InvalidArgument, Refused, RunExists, StorageError

PROGRESS = "time/total_timesteps,rollout/ep_rew_mean,train/approx_kl\n2048,10,\n4096,11,0.01\n6144,12,0.02\n"


@pytest.fixture
def runs(tmp_path):
    """A directory of runs."""
    return tmp_path / "runs"


@pytest.fixture
def import_(runs):
    """Imports; returns what became of the only run."""

    def run(path, **options):
        (imported,) = import_logs(path, runs, **options)
        return imported

    return run


def test_a_log_becomes_a_run_with_its_times_and_steps(import_, log_dir):
    """It begins with the first value and ends with the last one; the number of updates is known."""
    event_file(log_dir / "events.out.tfevents.1", *updates(1, 3))
    imported = import_(log_dir)
    records = list(open_run(imported.run_dir).records())
    started, finished = records[0].event, records[-1].event

    assert imported.totals == (3, 9, 3, False)
    assert len(imported.not_read) == 0
    assert (started.task, started.config["imported_from"]) == ("logs", str(log_dir))
    assert [step for step, _ in recorded(imported.run_dir)] == [2048, 4096, 6144]
    assert [record.emitted_ns // 10**9 for record in records] == [1700000000 + s for s in (1, 1, 2, 3, 3)]
    assert finished == RunFinished(outcome="completed", updates=3, reason=f"imported from {log_dir}")


def test_the_configuration_is_that_of_the_log(import_, log_dir):
    """It is in the start of the run, with the seed."""
    entry = field(1, field(1, "seed") + field(2, field(3, "7"))) + field(
        1, field(1, "lr") + field(2, field(2, 0.5))
    )
    content = field(3, entry)
    value = field(1, "_hparams_/session_start_info") + field(
        9, field(1, field(1, "hparams") + field(2, content))
    )
    event_file(log_dir / "tfevents", event(1.7e9, 0, value), *updates(1, 1))
    config = open_run(import_(log_dir).run_dir).config

    assert (config["seed"], config["lr"]) == ("7", 0.5)


def test_importing_again_records_nothing(import_, log_dir):
    """There is no second start either."""
    event_file(log_dir / "tfevents", *updates(1, 3))
    before = recorded(import_(log_dir).run_dir)
    again = import_(log_dir)

    assert again.totals == (0, 0, 3, True)
    assert recorded(again.run_dir) == before
    assert sum(isinstance(r.event, RunStarted) for r in open_run(again.run_dir).records()) == 1


@pytest.mark.parametrize("values", range(10))
def test_importing_a_log_that_has_grown_adds_the_rest(import_, log_dir, tmp_path, values):
    """Wherever it was cut before, also within a step, the run is the one of a single import."""
    whole = event_file(tmp_path / "whole" / "tfevents", *updates(1, 3))
    event_file(log_dir / "tfevents", *updates(1, 3)[:values])
    import_(log_dir) if values else None
    shutil.copy(whole, log_dir / "tfevents")
    import_(log_dir)
    import_(whole.parent)

    assert folded(tmp_path / "runs" / "logs") == folded(tmp_path / "runs" / "whole")
    assert import_(log_dir).totals.updates == 3


def test_a_moved_log_is_still_the_same(import_, log_dir, tmp_path):
    """Its contents count, not its name."""
    event_file(log_dir / "tfevents", *updates(1, 3))
    import_(log_dir, name="mine")
    moved = log_dir.rename(tmp_path / "elsewhere")
    (moved / "tfevents").rename(moved / "tfevents.old")

    assert import_(moved, name="mine").totals == (0, 0, 3, True)


def test_another_log_is_refused(import_, log_dir, tmp_path):
    """The run stays as it is."""
    event_file(log_dir / "tfevents", *updates(1, 3))
    other = event_file(tmp_path / "other" / "tfevents", *updates(1, 4), begin=1.6e9)
    before = recorded(import_(log_dir, name="mine").run_dir)

    with pytest.raises(Refused, match="another log"):
        import_(other.parent, name="mine")
    assert recorded(tmp_path / "runs" / "mine") == before


def test_a_table_with_other_numbers_is_refused(import_, tmp_path):
    """It begins with the same row, but what follows has changed."""
    table = tmp_path / "table.csv"
    table.write_text("step,approx_kl\n1,0\n2,0.5\n")
    import_(table)
    table.write_text("step,approx_kl\n1,0\n2,0.25\n3,0.125\n")

    with pytest.raises(Refused, match="not what the run table was made from"):
        import_(table)


def test_a_shorter_log_is_named(import_, tmp_path):
    """Nothing is recorded again."""
    table = tmp_path / "table.csv"
    table.write_text("step,approx_kl\n1,0\n2,0.5\n")
    import_(table)
    table.write_text("step,approx_kl\n1,0\n")

    assert import_(table).not_read.lines() == [f"{SHORTER} (table.csv): 1"]


def test_a_run_of_a_trainer_is_not_touched(import_, connect, tmp_path):
    """Its name is taken."""
    connect("table", runs_dir=tmp_path / "runs").close()
    table = tmp_path / "table.csv"
    table.write_text(PROGRESS)

    with pytest.raises(RunExists, match="choose another name"):
        import_(table)


def test_a_run_that_lacks_events_is_not_continued(import_, tmp_path, runs):
    """The position is not known."""
    table = tmp_path / "table.csv"
    table.write_text(PROGRESS)
    spool = SpoolWriter(RunPaths(runs / "table"), StreamKey("table", "trainer:0", 1))
    started = RunStarted(task="table", config={"imported_from": "table.csv"})
    spool.write(Batch(0, [(1, encode_event(started))]))
    spool.write(Batch(2, [(1, encode_event(ScalarsLogged(values={"a": 1.0}, source="x")))]))
    spool.close()

    with pytest.raises(Damaged, match="cannot be continued"):
        import_(table)


def test_another_process_may_be_importing(import_, tmp_path, runs):
    """Two would record twice."""
    table = tmp_path / "table.csv"
    table.write_text(PROGRESS)

    with FileLock(runs / "table" / "import.lock"), pytest.raises(Refused, match="is importing into"):
        import_(table)


def test_files_of_one_directory_are_one_run_in_order_of_time(import_, log_dir):
    """A restart writes a second file, and repeats steps: both are recorded, and the run is a resumed one."""
    event_file(log_dir / "tfevents.b", *updates(1, 3))
    event_file(log_dir / "tfevents.a", *updates(2, 5, begin=1700000100.0), begin=1700000100.0)
    imported = import_(log_dir)

    assert [step // 2048 for step, _ in recorded(imported.run_dir)] == [1, 2, 3, 2, 3, 4, 5]
    records = [record.event for record in open_run(imported.run_dir).records()]
    assert [e.resumed_from for e in records if isinstance(e, RunStarted)] == [None, 1]
    assert (imported.totals.updates, records[-1].updates) == (5, 5)
    assert open_run(imported.run_dir).snapshot().ranks[0].last_update == 5
    event_file(log_dir / "tfevents.b", *updates(1, 3), *updates(2, 2))
    assert import_(log_dir).not_read[STEP_BACK] == 1


def test_copies_links_pipes_and_empty_files_do_no_harm(import_, log_dir):
    """A copy is counted; a pipe would block, and a link to the directory would never end."""
    path = event_file(log_dir / "tfevents.1", *updates(1, 3))
    shutil.copy(path, log_dir / "a-copy.tfevents")
    os.truncate(shutil.copy(path, log_dir / "a-part.tfevents"), path.stat().st_size - 100)
    os.mkfifo(log_dir / "tfevents.pipe")
    (log_dir / "loop").symlink_to(log_dir)
    (log_dir / "tfevents.dangling").symlink_to(log_dir / "nothing")
    (log_dir / "tfevents.empty").touch()
    imported = import_(log_dir)

    assert imported.totals == (3, 9, 3, False)
    assert imported.not_read[COPIES] == 2


def test_a_table_beside_its_event_file_is_left_out(import_, log_dir):
    """SB3 writes both with the same numbers; without values in the event file the table is read."""
    (log_dir / "progress.csv").write_text(PROGRESS)
    event_file(log_dir / "tfevents")
    alone = import_(log_dir, name="alone")
    event_file(log_dir / "tfevents", *updates(1, 1))
    both = import_(log_dir, name="both")

    assert (alone.totals.rows, both.totals.rows) == (3, 1)
    assert both.not_read.lines() == [f"{PROGRESS_LEFT_OUT} (progress.csv): 1"]


def test_episodes_of_several_environments_are_ordered_by_time(import_, log_dir):
    """Their step is that of all environments together."""
    for number, times in enumerate(((1, 4), (2, 3))):
        rows = "".join(f"{time},10,{time}\n" for time in times)
        (log_dir / f"{number}.monitor.csv").write_text('#{"t_start": 1700000000}\nr,l,t\n' + rows)
    imported = import_(log_dir)

    assert [(step, values["episode_return"]) for step, values in recorded(imported.run_dir)] == [
        (10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0),
    ]  # fmt: skip


def test_each_directory_with_logs_is_a_run(runs, log_dir):
    """Their names begin with that of the directory above."""
    for name in ("PPO_1", "PPO_2/eval"):
        event_file(log_dir / name / "tfevents", *updates(1, 2))
    found = {imported.run_dir.name: imported.totals.updates for imported in import_logs(log_dir, runs)}

    assert found == {"logs-PPO_1": 2, "logs-PPO_2-eval": 2}


def test_names_are_mapped_before_they_are_recorded(import_, tmp_path):
    """With their factor; tables of other names in a directory are read if there is a mapping."""
    directory = tmp_path / "tables"
    directory.mkdir()
    (directory / "log.jsonl").write_text('{"step": 1, "ent": 0.5, "host": 3}\n')
    mapping = Mapping(names={"ent": Renamed("entropy", -2.0)}, drop=frozenset({"host"}))

    assert recorded(import_(directory, mapping=mapping).run_dir) == [(1, {"entropy": -1.0})]


def test_a_row_with_too_many_values_is_several_events(import_, tmp_path):
    """None is lost, and none comes twice."""
    names = [f"{'n' * 400}{number}" for number in range(12_000)]
    table = tmp_path / "table.csv"
    table.write_text(f"step,{','.join(names)}\n1{',0.5' * 12_000}\n2{',0.25' * 12_000}\n")
    imported = import_(table)

    assert sum(len(values) for _, values in recorded(imported.run_dir)) == 24_000
    assert import_(table).totals.rows == 0


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("missing", None, StorageError),
        ("run-x.wandb", "no header", InvalidArgument),
        ("folder", "", InvalidArgument),
    ],
)
def test_what_cannot_be_a_log_is_one_sentence(import_, tmp_path, name, text, error):
    """There is no run afterwards."""
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif text is not None:
        path.write_text(text)

    with pytest.raises(error) as caught:
        import_(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_foreign_file_makes_no_run(import_, tmp_path):
    """What it contains is counted."""
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(os.urandom(5000))
    imported = import_(path)

    assert imported.totals.rows == 0
    assert len(imported.not_read) == 1
    assert not imported.run_dir.exists()


@pytest.mark.parametrize(
    ("path", "run"),
    [
        ("logs/PPO_1/progress.csv", "PPO_1"),
        ("logs/PPO_1/events.out.tfevents.17.host.5.0", "PPO_1"),
        ("logs/my run.csv", "my-run"),
        ("logs/run-abc123.wandb", "run-abc123"),
    ],
)
def test_a_run_is_named_after_its_file_or_directory(tmp_path, path, run):
    """A file whose name says nothing gives its directory's."""
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_bytes(b":W&B\xe1\xbe\x00")

    assert [plan.run for plan in planned_runs(file, None)] == [run]


@pytest.mark.parametrize(("text", "name"), [("", "log"), ("..", "log"), ("ä ö", "log"), ("a b/c", "a-b-c")])
def test_any_text_gives_a_valid_name(text, name):
    """It has only characters that a file name may have."""
    assert run_name(text) == name


def test_values_that_are_not_finite_are_recorded_and_found_again(import_, log_dir):
    """NaN as the last value does not look like another log."""
    values = [scalar("train/approx_kl", float("nan"))]
    event_file(log_dir / "tfevents", event(1.7e9, 1, *values))
    import_(log_dir)
    event_file(log_dir / "tfevents", event(1.7e9, 1, *values), event(1.7e9 + 1, 2, *values))

    assert import_(log_dir).totals.updates == 2
