"""A pseudo-terminal that runs a program."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

DEADLINE_S = 30


def _accept_interrupts():
    """Background jobs of a shell ignore Ctrl-C, and child processes inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program on a pseudo-terminal, and everything that it wrote."""

    def __init__(self, *command, size=(80, 24), **environment):
        self.ours, theirs = pty.openpty()
        self.resize(*size)
        env = os.environ | environment
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            start_new_session=True,
            preexec_fn=_accept_interrupts,
        )
        os.close(theirs)
        self.written = b""

    def resize(self, width, height):
        """Change the window's size and signal it as a terminal does."""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        if hasattr(self, "process"):
            self.process.send_signal(signal.SIGWINCH)

    def read_until(self, is_enough, deadline_s=DEADLINE_S):
        """Read until the output satisfies a condition, or fail at the deadline."""
        deadline = time.monotonic() + deadline_s
        while not is_enough(self.written):
            assert time.monotonic() < deadline, self.written[-2000:]
            if not select.select([self.ours], [], [], 0.1)[0]:
                continue
            try:
                self.written += os.read(self.ours, 65536)
            except OSError:
                assert is_enough(self.written), self.written[-2000:]

    def press(self, keys):
        """Type keys."""
        os.write(self.ours, keys)

    def hang_up(self):
        """Break the connection."""
        os.close(self.ours)
        self.ours = None
