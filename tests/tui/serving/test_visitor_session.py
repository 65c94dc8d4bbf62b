"""A visitor's process has a size within bounds, gets what the page sends, and never outlives the visit."""

import asyncio
import shlex
import sys

import pytest
from textual_serve.download_manager import DownloadManager

from esper_tui.serving.visitor_session import VisitorSession, bounded

DEAF = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdout.buffer.write(b"__GANGLION__\\n")
sys.stdout.flush()
print(os.environ["COLUMNS"], os.environ["ROWS"], file=open(sys.argv[1], "w"), flush=True)
time.sleep(600)
"""
"""A program that notes its size, and can only be killed."""


@pytest.fixture
def session(tmp_path):
    """A session of the program, which is not started yet."""

    async def ignore(*_):
        pass

    command = shlex.join([sys.executable, "-c", DEAF, str(tmp_path / "size")])
    return VisitorSession(
        f"exec {command}",
        write_bytes=ignore,
        write_str=ignore,
        close=ignore,
        download_manager=DownloadManager(),
    )


@pytest.mark.parametrize(
    ("requested", "given"),
    [((120, 40), (120, 40)), ((10**12, 10**12), (500, 200)), ((-1, 0), (1, 1)), ((500, 200), (500, 200))],
)
def test_a_terminal_has_a_size_between_two_bounds(requested, given):
    """A browser may request any; a screen is drawn for it."""
    assert bounded(*requested) == given


@pytest.mark.process
async def test_a_process_that_does_not_exit_is_killed(session, tmp_path):
    """It is started with the size within the bounds, and is gone when `stop` returns."""
    await session.start(10**6, 24)
    async with asyncio.timeout(30):
        while not (tmp_path / "size").exists() or not (tmp_path / "size").read_text():
            await asyncio.sleep(0.01)
    assert (tmp_path / "size").read_text().split() == ["500", "24"]

    async with asyncio.timeout(30):
        await session.stop()
    assert session._process.returncode == -9


async def test_a_ping_is_answered(session):
    """With what it carried, so that the page can measure the time."""
    assert await session.execute(["ping", "17"]) == ["pong", "17"]


@pytest.mark.parametrize(
    "message",
    [None, [], "stdin", ["stdin"], ["stdin", 3], ["ping"], ["resize", {"width": "1", "height": 2}], ["quit"]],
)
async def test_a_message_that_no_page_sends_is_refused(session, message):
    """The caller closes the connection."""
    with pytest.raises(ValueError, match="unknown message"):
        await session.execute(message)
