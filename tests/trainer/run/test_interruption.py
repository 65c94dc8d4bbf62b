"""The first signal is handled at the next check; the second one has its default effect."""

import os
import signal
import threading

import pytest

from esper_trainer.run.interruption import Interrupted, Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_at_the_next_check(number):
    """The message names the signal."""
    before = signal.getsignal(number)
    with Interruption() as interruption:
        interruption.check()
        os.kill(os.getpid(), number)

        with pytest.raises(Interrupted, match=rf"{number.name}\.$"):
            interruption.check()

    assert signal.getsignal(number) is before


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, even if the tests run in the background, where shells ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_second_signal_is_not_caught():
    """It can end a run that hangs."""
    with Interruption():
        os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interruption_works_in_another_thread():
    """Only the main thread can install signal handlers; other threads enter without them."""
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
