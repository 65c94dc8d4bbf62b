"""Tests of esper_tui.serving.packet_driver: a real pipe with a slow reader."""

import subprocess
import sys

import pytest

PACKETS = 200
PROGRAM = f"""
import asyncio, threading
from textual.app import App
from esper_tui.serving.packet_driver import PacketDriver

def write(driver, character):
    for _ in range({PACKETS}):
        driver.write(character * 70_000)

async def main():
    driver = PacketDriver(App())
    await asyncio.gather(*(asyncio.to_thread(write, driver, character) for character in "ab"))

asyncio.run(main())
"""


@pytest.mark.process
def test_packets_of_two_threads_are_not_mixed():
    """Each arrives whole, although it is larger than what a pipe takes at once."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], **pipes) as process:
        packets = [_read_packet(process.stdout) for _ in range(2 * PACKETS)]

    assert sorted(packets) == [b"a" * 70_000] * PACKETS + [b"b" * 70_000] * PACKETS


def _read_packet(stream):
    header = stream.read(5)
    assert header[:1] == b"D"
    return stream.read(int.from_bytes(header[1:], "big"))
