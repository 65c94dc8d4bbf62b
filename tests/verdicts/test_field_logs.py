"""Logs of other people are imported and folded update by update."""

from benchmarks.verdicts.field_logs import field_log_lines

HEAD = "time/total_timesteps,train/approx_kl,train/clip_fraction,train/value_loss,rollout/ep_rew_mean\n"


def rows(kls):
    """A progress.csv with one update for each KL divergence."""
    return HEAD + "".join(f"{2048 * n},{kl},0.1,1.0,5.0\n" for n, kl in enumerate(kls, 1))


def test_a_finding_is_listed_with_its_first_update(tmp_path):
    """And whether it still applies at the end."""
    (tmp_path / "broken.csv").write_text(rows([0.01] * 4 + [5.0] * 4))
    (tmp_path / "healthy.csv").write_text(rows([0.01] * 8))
    lines = list(field_log_lines(tmp_path))

    assert "broken.csv: 8 updates, 1 findings" in lines
    assert "  5: critical large_updates since 5" in lines
    assert "healthy.csv: 8 updates, 0 findings" in lines


def test_other_files_are_left_out(tmp_path):
    """Only tables and event files are logs."""
    (tmp_path / "README.md").write_text("no log")

    assert list(field_log_lines(tmp_path)) == [f"== field logs in {tmp_path.name}"]


def test_missing_field_logs_are_reported_as_skipped():
    """They are not part of the repository."""
    (line,) = field_log_lines(None)
    assert "skipped" in line
