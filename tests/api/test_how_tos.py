"""The programs and commands of README and how-tos run unchanged except for addresses and the home."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.ports import free_ports

from esper_bus.addresses import Endpoints
from esper_bus.host.aggregator_lock import aggregator_running
from esper_bus.store.run_reader import read_log, read_records
from esper_lite import (
    InvalidArgument,
    PPOUpdateCompleted,
    PPOUpdatePayload,
    RunFinished,
    RunStarted,
    ScalarsLogged,
    connect,
    open_run,
)
from esper_schemas.metrics.overrides import overridden
from esper_schemas.rules.thresholds import read_thresholds

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
HOW_TOS = ROOT / "docs" / "how-to"
UPDATES = 600


def programs(name):
    """The Python programs of a page."""
    return re.findall(r"```python\n(.*?)```", (HOW_TOS / name).read_text(), re.DOTALL)


def readme_program():
    """The Python program of the README."""
    text = (ROOT / "README.md").read_text().split("## Your own trainer")[1]
    return "".join(line[4:] for line in text.splitlines(keepends=True) if line.startswith("    "))


@pytest.fixture
def home(tmp_path):
    """A home directory in which programs and commands run."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def environment(home):
    """Environment variables for the commands of this installation and for that home."""
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "HOME": str(home), "PATH": binaries}


@pytest.fixture
def url():
    """An address at which an aggregator can listen."""
    return f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields), '127.0.0.1')}"


@pytest.fixture
def run(home, environment):
    """Runs a program to its end; a warning is an error."""

    def run_program(text):
        command = [sys.executable, "-W", "error", "-c", text]
        return subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, timeout=100, check=False
        )

    return run_program


@pytest.fixture
def shell(home, environment):
    """Runs commands in order, and fails at the first one that fails."""

    def run_commands(lines):
        subprocess.run(["bash", "-e", "-c", "\n".join(lines)], cwd=home, env=environment, check=True)

    return run_commands


@pytest.fixture
def aggregate(home, environment, url):
    """Starts a real aggregator that listens at `url`."""
    processes = []

    def start(*options):
        command = ["esper", "aggregate", "--runs-dir", "logs", "--listen", url, *options]
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        processes.append(process)
        assert any("aggregator ready" in line for line in iter(process.stdout.readline, ""))

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def cartpole(aggregate, url, home):
    """A run of that name, recorded in `runs` and by the aggregator at `url`."""
    aggregate()
    with connect("cartpole", runs_dir=home / "runs", aggregator=url) as telemetry:
        for _ in range(UPDATES):
            telemetry.emit(PPOUpdatePayload(policy_loss=0.25))


@pytest.mark.process
def test_the_program_of_the_readme_starts_an_aggregator_and_records(run, home, until, monkeypatch):
    """It runs without errors, and its three events are in the log."""
    done = run(readme_program())
    runs = home / "runs"
    try:
        assert (done.returncode, done.stderr) == (0, "")
        assert len(list(read_log(runs / "cartpole"))) == 3
    finally:
        os.kill(int((runs / ".aggregator.lock").read_text().split()[0]), signal.SIGTERM)
    until(lambda: not aggregator_running(runs))


@pytest.mark.process
def test_the_shortest_program_records_a_run(run, home):
    """The run contains a start, an update and an end."""
    done = run(programs("emit-from-any-trainer.md")[0])
    kinds = [type(record.event) for record in open_run(home / "runs" / "cartpole").records()]

    assert (done.returncode, done.stderr) == (0, "")
    assert kinds == [RunStarted, ScalarsLogged, RunFinished]


@pytest.mark.process
def test_the_complete_program_learns_without_torch(run, home, environment):
    """The pole stays up longer at the end than at the beginning."""
    environment["UPDATES"] = "40"
    done = run("import sys; sys.modules['torch'] = None\n" + programs("emit-from-any-trainer.md")[1])
    events = [record.event for record in open_run(home / "runs" / "cartpole").records()]
    returns = [event.mean_return for event in events if hasattr(event, "mean_return")]

    assert (done.returncode, done.stderr) == (0, "")
    assert len([event for event in events if isinstance(event, PPOUpdateCompleted)]) == 40
    assert sum(returns[-5:]) > 2 * sum(returns[:5])


@pytest.mark.process
def test_programs_that_declare_heads_record_their_measurements(run, home):
    """By an event and by a call of `log`; the thresholds of the page are valid for such a run."""
    page = "declare-heads.md"
    for program in programs(page):
        done = run(program)
        assert (done.returncode, done.stderr) == (0, "")
    emitted, logged = (open_run(home / "runs" / name).snapshot().tamiyo for name in ("arena", "arena-2"))
    (toml,) = re.findall(r"```toml\n(.*?)```", (HOW_TOS / page).read_text(), re.DOTALL)

    assert [spec.name for spec in emitted.head_specs] == list(emitted.heads) == ["move", "aim", "throttle"]
    assert logged.heads["move"].ratio_max == 1.1
    assert overridden(toml, heads=["aim"])["heads/aim/ratio_max"].metric.bands.critical_above == 3.0


@pytest.mark.slow
@pytest.mark.process
def test_thresholds_are_recorded_and_replaced_as_the_page_says(run, shell, home, until):
    """Its file is accepted, its program and its commands run, and its mistake is refused with its line."""
    page = (HOW_TOS / "set-thresholds.md").read_text()
    (toml,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (home / "thresholds.toml").write_text(toml.replace("[head_aim_entropy]", ""))
    (home / "strict.toml").write_text("[kl_divergence]\nwarning_above = 0.001\ncritical_above = 0.002\n")
    (program,) = programs("set-thresholds.md")
    done = run(program)
    assert (done.returncode, done.stderr) == (0, "")
    commands = re.findall(r"^    ((?:esper|sanctum) .*)$", page, re.MULTILINE)
    assert len(commands) == 3
    try:
        shell(commands)
    finally:
        os.kill(int((home / "runs" / ".aggregator.lock").read_text().split()[0]), signal.SIGTERM)
    until(lambda: not aggregator_running(home / "runs"))

    for name in ("ours", "cartpole"):
        (started,) = [r.event for r in read_records(home / "runs" / name) if isinstance(r.event, RunStarted)]
        assert started.thresholds == (home / "thresholds.toml").read_text()
    (mistake,) = re.findall(r"^    (thresholds.toml:2: .*)$", page, re.MULTILINE)
    with pytest.raises(InvalidArgument) as refusal:
        read_thresholds("[kl_divergence]\nwarning_above = 0.5\n", origin="thresholds.toml")
    assert str(refusal.value) == mistake


@pytest.mark.process
def test_a_subscriber_prints_every_update(cartpole, url, home, environment):
    """Each line has the producer and the number of the event."""
    program = programs("subscribe-to-events.md")[0].replace("tcp://127.0.0.1:5556", url)
    command = [sys.executable, "-W", "error", "-u", "-c", program]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(UPDATES)]
        process.kill()

    assert [line.split()[:2] for line in lines] == [["trainer:0", str(seq)] for seq in range(1, UPDATES + 1)]


@pytest.mark.process
def test_a_recorded_run_is_read(cartpole, run):
    """The program prints its start, its updates, and a snapshot after 500 events."""
    done = run(programs("subscribe-to-events.md")[1])
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].startswith("cartpole RunStarted(task='cartpole'")
    assert f"{UPDATES} None" in lines
    assert lines[-2:] == ["0.25", "500"]


@pytest.mark.process
def test_the_moments_of_a_run_have_states(cartpole, run):
    """The program asks for the state at an update, and prints the marks."""
    reading, moments, *_ = programs("subscribe-to-events.md")[1:]
    done = run(f"{reading}\nprint('moments')\n{moments}")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "moments"  # the run has no marks


@pytest.mark.process
def test_a_metric_of_a_run_is_a_series(cartpole, run):
    """The program prints the updates and their values."""
    reading, _, series, *_ = programs("subscribe-to-events.md")[1:]
    done = run(f"{reading}\nprint('series')\n{series}")

    assert (done.returncode, done.stderr) == (0, "")
    assert "[0.25 0.25" in done.stdout.split("series")[-1]


@pytest.mark.process
def test_an_aggregator_answers_questions(cartpole, run, url):
    """Questions for runs, events, a past snapshot and the health raise nothing."""
    program = programs("subscribe-to-events.md")[4].replace("tcp://127.0.0.1:5556", url)
    done = run(program)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.process
def test_a_key_as_documented_allows_a_custom_trainer_to_send(shell, aggregate, run, url, home):
    """The default rights of a key match the default name of a producer: all events are acknowledged."""
    page = (HOW_TOS / "watch-remotely.md").read_text()
    commands = [line.strip() for line in page.splitlines() if line.startswith("    esper keys")]
    shell(commands)
    (home / "esper-keys" / "gpu-box.key").rename(home / "esper.key")  # the page copies it by scp
    aggregate("--keys", str(home / "esper-keys"))
    (program,) = programs("watch-remotely.md")
    done = run(program.replace("tcp://HOST:5556", url) + "print(telemetry.stats)\n")

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "acknowledged=3" in done.stdout
    assert "problem=''" in done.stdout
    assert len(list(read_log(home / "logs" / "cartpole"))) == 3
