"""A process knows its rank from its launcher, and a run that is not named gets a name."""

import pytest

from esper_lite import InvalidArgument, RunStarted, StorageError, connect

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


@pytest.fixture(autouse=True)
def launcher(monkeypatch):
    """Sets the environment variables of a launcher; without a call there are none."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def launch(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return launch


@pytest.fixture
def unnamed(runs_dir):
    """Records a run without a name; returns the names of all runs."""

    def record(**options):
        connect(runs_dir=runs_dir, aggregator=False, **options).close()
        return {path.name for path in runs_dir.iterdir()}

    return record


def started(events):
    """The first event of a run."""
    return next(event for event in events() if isinstance(event, RunStarted))


@pytest.mark.parametrize(
    ("variables", "options", "expected"),
    [
        ({}, {}, (0, 1)),
        ({"RANK": 2, "WORLD_SIZE": 4, "LOCAL_RANK": 0}, {}, (2, 4)),
        ({"LOCAL_RANK": 1, "WORLD_SIZE": 2}, {}, (1, 2)),
        ({"RANK": 2, "WORLD_SIZE": 4}, {"rank": 1}, (1, 4)),
        ({"RANK": 0, "WORLD_SIZE": 1}, {"rank": 1, "world_size": 2}, (1, 2)),
        ({"RANK": "", "WORLD_SIZE": ""}, {}, (0, 1)),
    ],
)
def test_rank_and_world_size_are_those_of_the_launcher(
    connect, events, launcher, variables, options, expected
):
    """Arguments take precedence over the environment."""
    launcher(**variables)
    connect(**options).close()

    event = started(events)
    assert (event.rank, event.world_size) == expected


def test_processes_of_a_launcher_share_a_run(connect, events, launcher):
    """None of them is refused, and each has a name of its own."""
    for rank in range(2):
        launcher(RANK=rank, WORLD_SIZE=2)
        connect().close()

    assert sorted(event.rank for event in events() if isinstance(event, RunStarted)) == [0, 1]


@pytest.mark.parametrize(
    "variables", [{"RANK": "one"}, {"WORLD_SIZE": "-2"}, {"RANK": 1}, {"RANK": 4, "WORLD_SIZE": 4}]
)
def test_numbers_that_cannot_be_are_refused(connect, runs_dir, launcher, variables):
    """The error names what to change, and nothing is created."""
    launcher(**variables)

    with pytest.raises(InvalidArgument, match=r"RANK|WORLD_SIZE"):
        connect()
    assert not runs_dir.exists()


def test_a_run_is_named_after_its_task(unnamed):
    """The same program can be started again."""
    task = RunStarted(task="CartPole v1/continuous")

    assert unnamed(started=task) == {"CartPole-v1-continuous"}
    assert unnamed(started=task) == {"CartPole-v1-continuous", "CartPole-v1-continuous-2"}
    assert "CartPole-v1-continuous-3" in unnamed(started=task)


@pytest.mark.parametrize(
    ("program", "name"), [("/home/me/train_ppo.py", "train_ppo"), ("-c", "c"), ("", "run"), ("…", "run")]
)
def test_a_run_without_a_task_is_named_after_its_program(unnamed, monkeypatch, program, name):
    """Whatever that is called."""
    monkeypatch.setattr("sys.argv", [program])

    assert unnamed() == {name}


def test_the_start_event_names_the_run(unnamed, events, monkeypatch):
    """A viewer shows the task of the run."""
    monkeypatch.setattr("sys.argv", ["train.py"])
    unnamed()

    assert started(lambda: events("train")).task == "train"


def test_several_processes_need_a_name(unnamed, launcher):
    """They could not agree on one."""
    launcher(RANK=0, WORLD_SIZE=2)

    with pytest.raises(InvalidArgument, match="need the same name"):
        unnamed()


def test_a_run_to_resume_needs_a_name(unnamed):
    """A new name would be a new run."""
    with pytest.raises(InvalidArgument, match="Name the run"):
        unnamed(resume=True)


def test_an_invalid_argument_creates_no_directory(runs_dir):
    """The name is chosen last."""
    with pytest.raises(InvalidArgument):
        connect(runs_dir=runs_dir, spool_quota="1K")

    assert not runs_dir.exists()


@pytest.mark.parametrize("target", ["missing", "file"])
def test_a_directory_that_cannot_be_created_is_an_error(runs_dir, target):
    """A file in its place, or a link that leads nowhere. The error says what to do."""
    (runs_dir.parent / "file").touch()
    runs_dir.symlink_to(runs_dir.parent / target)

    with pytest.raises(StorageError, match="choose another runs directory"):
        connect(runs_dir=runs_dir)
