"""The commands of the page about importing run as they are, in a directory with real logs."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.api.importing.conftest import event_file, recorded, updates
from tests.bus.conftest import runtime, until

from esper_bus.host.aggregator_lock import aggregator_running
from esper_lite.importing.column_roles import STEP_NAMES, TIME_NAMES

__all__ = ["runtime", "until"]

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "import-logs.md").read_text()


@pytest.mark.slow
@pytest.mark.process
def test_the_commands_of_the_page_work(tmp_path, runtime, until):
    """They import a log, diagnose it, import a table with the mapping, and follow the log."""
    event_file(tmp_path / "logs" / "tfevents", *updates(1, 30))
    (tmp_path / "mapping.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    (tmp_path / "table.csv").write_text("when,frame,Loss,ent_loss,gpu\n1700000000,64,0.5,-1.5,30\n")
    commands = re.findall(r"^    (esper .*)$", PAGE, re.MULTILINE)
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = "\n".join(commands)
    try:
        subprocess.run(
            ["bash", "-e", "-c", program], cwd=tmp_path, env={**os.environ, "PATH": binaries}, check=True
        )
    finally:
        if aggregator_running(tmp_path / "runs"):
            os.kill(int((tmp_path / "runs/.aggregator.lock").read_text().split()[0]), signal.SIGTERM)
            until(lambda: not aggregator_running(tmp_path / "runs"))

    assert len(commands) == 4
    assert len(recorded(tmp_path / "runs" / "logs")) == 30
    assert recorded(tmp_path / "runs" / "mine") == [(64, {"value_loss": 0.5, "entropy": 1.5})]


def test_the_page_names_columns_that_are_known():
    """Those that need no mapping."""
    named = re.search(r"is called `(\w+)`, `(\w+)` or the\s+like, and one `(\w+)`, `(\w+)`", PAGE)

    assert set(named.groups()[:2]) <= set(STEP_NAMES)
    assert set(named.groups()[2:]) <= set(TIME_NAMES)
