"""Tests of waking a thread."""

import threading
import time

from esper_bus.emit.wake_up import WakeUp


def test_a_call_before_the_wait_is_not_lost():
    """The next wait ends at once, and only that one."""
    wake_up = WakeUp()
    wake_up.set()

    assert wake_up.wait(60.0)
    assert not wake_up.wait(0.0)


def test_several_calls_count_as_one():
    """Three calls end one wait."""
    wake_up = WakeUp()
    for _ in range(3):
        wake_up.set()

    assert wake_up.wait(0.0)
    assert not wake_up.wait(0.0)


def test_a_waiting_thread_is_woken():
    """A call from another thread ends the wait before its timeout."""
    wake_up, woken = WakeUp(), []
    thread = threading.Thread(target=lambda: woken.append(wake_up.wait(60.0)))
    thread.start()
    wake_up.set()
    thread.join(30.0)

    assert woken == [True]


def test_a_wait_ends_at_its_timeout():
    """It returns False, also for a negative timeout."""
    wake_up, began = WakeUp(), time.monotonic()

    assert not wake_up.wait(0.01)
    assert not wake_up.wait(-1.0)
    assert time.monotonic() - began >= 0.01
