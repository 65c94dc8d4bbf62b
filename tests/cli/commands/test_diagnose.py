"""`esper diagnose`: findings for people and scripts, and exit codes for CI."""

import json

import pytest

from esper_bus.paths import RunPaths
from esper_bus.records import Batch, StreamKey
from esper_bus.store.spool import SpoolWriter
from esper_cli.output.diagnosis_text import OPEN_END, findings_text
from esper_schemas.codec import encode_event
from esper_schemas.declarations import HeadSpec
from esper_schemas.events import EventsDropped, LogRecorded, PPOUpdateCompleted, RunFinished, RunStarted
from esper_schemas.findings import Evidence, Finding
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload
from esper_schemas.rules.thresholds import RULE_IDS
from esper_schemas.snapshot import SanctumSnapshot


@pytest.fixture
def record(tmp_path):
    """Records a run whose updates have the given payloads; returns its directory."""

    def write(*payloads, name="mine", heads=(), thresholds="", finished=True, then=()):
        started = RunStarted(task="t", heads=heads, thresholds=thresholds)
        events = [started, LogRecorded(level="info", message="hello")]
        events += [
            PPOUpdateCompleted(update=n, payload=PPOUpdatePayload(**p)) for n, p in enumerate(payloads, 1)
        ]
        events += [*then, *[RunFinished(outcome="completed", updates=len(payloads))] * finished]
        run_dir = tmp_path / name
        spool = SpoolWriter(RunPaths(run_dir), StreamKey(name, "host:0", 1))
        spool.write(Batch(0, [(1_000 + seq, encode_event(event)) for seq, event in enumerate(events)]))
        spool.close()
        return run_dir

    return write


HEALTHY = {"kl_divergence": 0.005, "grad_norm_pre_clip": 0.8, "value_loss": 0.1}
FROZEN = {"kl_divergence": 0.0, "grad_norm_pre_clip": 0.8}
TOO_LARGE = {"kl_divergence": 0.2, "grad_norm_pre_clip": 0.8}


def test_a_healthy_run_has_no_findings(run_esper, record):
    """It prints one line; the exit code is 0 even with `--fail-on warning`."""
    code, stdout, _ = run_esper("diagnose", record(*[HEALTHY] * 5), "--fail-on", "warning")

    assert code == 0
    assert stdout == "mine: HEALTHY, no finding in 5 updates\n"


def test_a_value_beyond_its_band_is_not_a_finding(run_esper, record):
    """A healthy run has such values."""
    run = record(*[HEALTHY] * 4, HEALTHY | {"advantage_skewness": 3.0})

    said = "mine: HEALTHY, no finding in 5 updates\n"
    assert run_esper("diagnose", run, "--fail-on", "warning")[:2] == (0, said)


def test_a_finding_is_printed_with_its_evidence_and_advice(run_esper, record):
    """The exit code is 0 without `--fail-on`."""
    code, stdout, _ = run_esper("diagnose", record(HEALTHY, *[TOO_LARGE] * 3))

    assert code == 0
    assert stdout.startswith("mine: CRITICAL large updates since 2; 1 critical, 0 warnings after 4 updates\n")
    assert "CRITICAL since update 2" in stdout
    assert "KL divergence 0.2 at 2" in stdout
    assert "Lower the learning rate" in stdout


@pytest.mark.parametrize(
    ("payload", "fail_on", "code"),
    [
        (FROZEN, "warning", 1),
        (FROZEN, "critical", 0),
        (TOO_LARGE, "warning", 1),
        (TOO_LARGE, "critical", 1),
    ],
)
def test_the_exit_code_is_for_ci(run_esper, record, payload, fail_on, code):
    """It is 1 if a finding has at least the severity of `--fail-on`."""
    assert run_esper("diagnose", record(*[payload] * 6), "--fail-on", fail_on)[0] == code


def test_json_has_the_findings_the_run_and_the_updates(run_esper, record):
    """Findings have the fields of a snapshot."""
    code, stdout, _ = run_esper("diagnose", record(*[TOO_LARGE] * 6), "--json")
    printed = json.loads(stdout)

    assert code == 0
    assert list(printed) == ["findings", "run", "updates", "verdict", "outcome"]
    assert printed["verdict"]["word"] == "CRITICAL"
    assert (printed["run"], printed["updates"]) == ("mine", 6)
    assert [finding["rule"] for finding in printed["findings"]] == ["large_updates"]
    assert printed["findings"][0]["evidence"] == [{"update": 1, "text": "KL divergence 0.2", "later": ""}]


def test_the_state_names_findings_first(run_esper, record):
    """They are the first key of the JSON that `esper state` prints."""
    _, stdout, _ = run_esper("state", record(*[TOO_LARGE] * 6))
    printed = json.loads(stdout)

    assert next(iter(printed)) == "findings"
    assert printed["findings"][0]["rule"] == "large_updates"


def test_old_logs_are_evaluated_with_other_thresholds(run_esper, record, tmp_path):
    """With these thresholds a KL divergence of 0.2 is healthy."""
    run, thresholds = record(*[TOO_LARGE] * 6), tmp_path / "thresholds.toml"
    thresholds.write_text("[kl_divergence]\nwarning_above = 0.5\ncritical_above = 1.0\n")

    assert run_esper("diagnose", run, "--fail-on", "critical")[0] == 1
    assert run_esper("diagnose", run, "--fail-on", "warning", "--thresholds", thresholds)[0] == 0


@pytest.mark.parametrize("table", ["[head_aim_ratio_max]", '["heads/aim/ratio_max"]', "[head_ratio_max]"])
def test_own_heads_are_evaluated_with_other_thresholds(run_esper, record, tmp_path, table):
    """A table is of one head that the run declares, or of all heads."""
    aim = {"heads": {"aim": HeadMeasures(ratio_max=9.0)}}
    run, thresholds = record(*[aim] * 6, heads=(HeadSpec("aim", 9),)), tmp_path / "thresholds.toml"
    thresholds.write_text(f"{table}\nwarning_above = 10.0\ncritical_above = 20.0\n")

    code, stdout, _ = run_esper("diagnose", run, "--fail-on", "warning")
    assert code == 1
    assert "The aim head's probability ratios explode" in stdout
    assert run_esper("diagnose", run, "--fail-on", "warning", "--thresholds", thresholds)[0] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "annot read the thresholds"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[kl_divergenz]\nwarning_above = 1\n", ":1: there is no metric"),
        (b"[kl_divergence]\nwarning_above = 0.5\n", "inverted"),
    ],
    ids=["absent", "not text", "unknown metric", "inverted"],
)
def test_thresholds_that_cannot_be_used_are_refused(run_esper, record, tmp_path, content, words):
    """One sentence names the file, and the exit code is 1."""
    thresholds = tmp_path / "thresholds.toml"
    if content is not None:
        thresholds.write_bytes(content)

    code, stdout, stderr = run_esper("diagnose", record(HEALTHY), "--thresholds", thresholds)

    assert (code, stdout) == (1, "")
    assert stderr.count("\n") == 1
    assert str(thresholds) in stderr
    assert words in stderr


def test_a_run_without_updates_cannot_be_diagnosed(run_esper, record):
    """Reporting that nothing is wrong would be misleading."""
    code, stdout, stderr = run_esper("diagnose", record())

    assert (code, stdout) == (1, "")
    assert stderr.count("\n") == 1
    assert "no PPO update" in stderr


WIDER = "[kl_divergence]\nwarning_above = 5.0\ncritical_above = 10.0\n[rules.large_kl]\nupdates = 99\n"


def test_a_run_is_judged_by_its_own_thresholds(run_esper, record, tmp_path):
    """Those of `--thresholds` replace them."""
    run, strict = record(*[TOO_LARGE] * 6, thresholds=WIDER), tmp_path / "strict.toml"
    strict.write_text("[rules.large_kl]\nwarning = 0.001\ncritical = 0.002\nupdates = 2\n")

    assert run_esper("diagnose", run, "--fail-on", "warning")[0] == 0
    assert run_esper("diagnose", run, "--fail-on", "critical", "--thresholds", strict)[0] == 1


def test_a_rule_can_be_disabled(run_esper, record, tmp_path):
    """The account says so."""
    run, thresholds = record(*[TOO_LARGE] * 6), tmp_path / "t.toml"
    thresholds.write_text("[rules.large_updates]\nenabled = false\n")
    code, stdout, _ = run_esper("diagnose", run, "--all", "--fail-on", "warning", "--thresholds", thresholds)

    assert code == 0
    assert "[large_updates]  disabled by the thresholds of the run\n" in stdout


def test_thresholds_of_a_run_that_cannot_be_used_are_a_warning(run_esper, record):
    """The bounds of the catalogue apply."""
    code, stdout, _ = run_esper(
        "diagnose", record(*[HEALTHY] * 6, thresholds="[mood]\n"), "--fail-on", "warning"
    )

    assert code == 1
    assert "thresholds:1: there is no metric 'mood'." in stdout


def test_a_recording_that_lost_updates_fails(run_esper, record):
    """60 of 120 updates were dropped; those that are left show nothing."""
    dropped = EventsDropped(count=60, first_ns=1, last_ns=2, by_kind={"PPOUpdateCompleted": 60})
    code, stdout, _ = run_esper("diagnose", record(*[HEALTHY] * 60, then=[dropped]), "--fail-on", "warning")

    assert code == 1
    assert "WARNING since update 61: Data is lost: 60 events were dropped  [data_lost]" in stdout


def test_an_open_end_is_stated(run_esper, record):
    """A running training looks the same as one that was killed, so that it is not a finding."""
    code, stdout, _ = run_esper("diagnose", record(*[HEALTHY] * 5, finished=False), "--fail-on", "warning")

    assert (code, stdout) == (0, f"mine: HEALTHY, no finding in 5 updates\n  {OPEN_END}\n")


def test_all_rules_answer(run_esper, record):
    """The worst come first, each with what it is about."""
    code, stdout, _ = run_esper("diagnose", record(*[TOO_LARGE] * 6), "--all")
    lines = stdout.splitlines()
    groups = [line.split(" (")[0] for line in lines if line and not line.startswith(" ")][1:]

    assert code == 0
    assert groups == ["WRONG", "COULD NOT JUDGE", "FINE", "NOT APPLICABLE"]
    assert all(sum(f"[{rule}]" in line for line in lines) == 1 for rule in RULE_IDS)
    wrong = lines[lines.index("WRONG (1)") :]
    assert wrong[1].startswith("  ✖ ")
    assert wrong[2].startswith("      since    update 1, confidence ")
    assert wrong[3] == "      because  KL divergence 0.2 at 1"
    assert wrong[4].startswith("      try      ")
    assert "      open     kl_divergence" in wrong
    assert any(line.endswith("[head_collapse]  needs entropy_legal") for line in lines)


def test_all_answers_are_printed_as_json(run_esper, record):
    """With what a script needs to group them."""
    code, stdout, _ = run_esper("diagnose", record(*[TOO_LARGE] * 6), "--all", "--json")
    answers = {answer["rule"]: answer for answer in json.loads(stdout)["answers"]}

    assert code == 0
    assert set(answers) == RULE_IDS
    assert answers["large_updates"]["verdict"] == "wrong"
    assert answers["large_updates"]["findings"][0]["metrics"] == ["kl_divergence"]
    assert answers["vanishing_gradient"]["verdict"] == "fine"
    assert answers["value_collapse"]["needs"] == ["return_std", "value_std"]


def test_signs_are_plain_where_the_output_cannot_show_glyphs():
    """A terminal of another encoding, for example."""
    finding = Finding(rule="r", severity="critical", title="T", evidence=(Evidence(1, "a"), Evidence(2, "b")))
    snapshot = SanctumSnapshot(findings=(finding,))

    assert findings_text(snapshot, "ascii")[3:5] == [
        "x CRITICAL since update 0: T  [r]",
        "  because  a at 1 -> b at 2",
    ]
