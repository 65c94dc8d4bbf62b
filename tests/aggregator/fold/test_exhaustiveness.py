"""A new kind of event is a type error until the fold and the event texts handle it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
EVENTS = "schemas/esper_schemas/events.py"
HANDLERS = ("aggregator/esper_aggregator/fold/fold.py", "schemas/esper_schemas/event_text.py")
NEW_KIND = '''class TeapotBoiled(Event, frozen=True):
    """A kind of event that nothing handles."""


KnownEvent: TypeAlias = (
    TeapotBoiled
    | RunStarted'''


@pytest.mark.process
@pytest.mark.timeout(300)
def test_an_event_that_is_not_handled_does_not_type_check(tmp_path):
    """Mypy reports the missing kind in the fold and in the texts, and no other error."""
    source = (ROOT / EVENTS).read_text()
    extended = source.replace("KnownEvent: TypeAlias = (\n    RunStarted", NEW_KIND)
    assert extended != source
    (tmp_path / "events.py").write_text(extended)

    shadow = ["--shadow-file", EVENTS, str(tmp_path / "events.py")]
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), *shadow, *HANDLERS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    errors = [line for line in result.stdout.splitlines() if ": error: " in line]
    assert {error.split(":")[0] for error in errors} == set(HANDLERS), result.stdout + result.stderr
    assert all("TeapotBoiled" in error for error in errors)
