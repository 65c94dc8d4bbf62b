"""`esper import` makes runs; what it makes of each format is tested with the readers."""

import pytest

TABLE = "time/total_timesteps,rollout/ep_rew_mean,train/approx_kl,note\n2048,10,,x\n4096,11,0.01,y\n"


@pytest.fixture
def table(tmp_path):
    """A table as SB3 writes it, with a column of texts."""
    path = tmp_path / "walker.csv"
    path.write_text(TABLE)
    return path


def test_what_was_imported_and_what_was_not_is_printed(run_esper, table, tmp_path):
    """Importing again is no failure and adds nothing."""
    runs = tmp_path / "runs"
    first = run_esper("import", table, "--runs-dir", runs)
    again = run_esper("import", table, "--runs-dir", runs)

    assert (first.code, first.err, again.code, again.err) == (0, "", 0, "")
    assert first.out.splitlines() == [
        f"{runs}/walker: 2 rows and 5 values of {table}; 1 update in all",
        "  cells that are not numbers (note): 2",
    ]
    assert again.out.splitlines()[0] == f"{runs}/walker: has all that is in {table}"


def test_an_imported_run_is_read_by_other_commands(run_esper, table, tmp_path):
    """`diagnose` and `log verify` know nothing of where it came from."""
    run_esper("import", table, "--runs-dir", tmp_path, "--name", "mine")

    assert run_esper("diagnose", tmp_path / "mine").code == 0
    assert run_esper("log", "verify", tmp_path / "mine").code == 0


def test_a_mapping_is_applied(run_esper, table, tmp_path):
    """Columns that it drops are not counted."""
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('drop = ["note", "rollout/ep_rew_mean"]\n[names]\n"train/approx_kl" = "mine"\n')
    result = run_esper("import", table, "--runs-dir", tmp_path, "--mapping", mapping)

    assert result.out == f"{tmp_path}/walker: 2 rows and 3 values of {table}; 0 updates in all\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["no-such-log"], "no-such-log"),
        (["."], "has no log with a known name"),
        (["walker.csv", "--mapping", "no-such-file"], "no-such-file"),
        (["walker.csv", "--name", "a/b"], "cannot name a run"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(run_esper, table, tmp_path, monkeypatch, words, text):
    """There is no log, no mapping, or no valid name."""
    monkeypatch.chdir(tmp_path)
    code, out, err = run_esper("import", *words)

    assert (code, out) == (1, "")
    assert text in err
    assert err.count("\n") == 1


def test_a_log_without_values_makes_no_run(run_esper, tmp_path):
    """This is reported, and not an error: the training may have logged nothing yet."""
    empty = tmp_path / "events.out.tfevents.1"
    empty.touch()
    result = run_esper("import", empty, "--runs-dir", tmp_path / "runs")

    assert (result.code, result.out) == (0, f"{empty}: contains no values; no run was made\n")
