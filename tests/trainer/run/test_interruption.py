"""A signal is noted and seen at the next step; the second one does what it always does."""

import os
import signal
import threading

import pytest

from esper_trainer.run.interruption import Interrupted, Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_at_the_next_check(number):
    """Not before; and the sentence names it."""
    before = signal.getsignal(number)
    with Interruption() as interruption:
        interruption.check()
        os.kill(os.getpid(), number)

        with pytest.raises(Interrupted, match=rf"{number.name}\.$"):
            interruption.check()

    assert signal.getsignal(number) is before


@pytest.fixture
def interruptible():
    """SIGINT is what it is in a terminal; a background shell starts its programs with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_second_signal_is_not_caught():
    """A run that hangs can be ended."""
    with Interruption():
        os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_another_thread_may_ask_and_may_enter():
    """Only the main thread can install signal handlers; others go without."""
    interruption, seen = Interruption(), []

    def run():
        with interruption:
            try:
                interruption.check()
            except Interrupted as reason:
                seen.append(str(reason))

    interruption.request("Enough.")
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert seen == ["Enough."]
