"""Work in a thread: one thing after the other, all of it done, and of several errors the first one raised."""

import threading
from collections.abc import Callable

import pytest

from qdfool.results.background import Background


def failing(message: str) -> None:
    raise OSError(message)


def test_the_caller_goes_on_while_the_work_is_done():
    may_end, ended = threading.Event(), []

    def work() -> None:
        may_end.wait(10)
        ended.append(threading.current_thread())

    with Background() as background:
        background(work)
        assert not ended
        may_end.set()
    assert ended != [threading.main_thread()]
    assert len(ended) == 1


def test_work_waits_for_that_before():
    may_end, done = threading.Event(), []
    with Background() as background:
        background(lambda: done.append((may_end.wait(10), "first")))
        threading.Timer(0.05, may_end.set).start()
        background(lambda: done.append((True, "second")))
        assert done[0] == (True, "first")
    assert done == [(True, "first"), (True, "second")]


def in_turn(*works: Callable[[], None]) -> None:
    """Begins each in the background, but the last, which is the caller's own."""
    with Background() as background:
        for work in works[:-1]:
            background(work)
        works[-1]()


def test_an_error_is_raised_by_the_next_call_which_does_its_own_first():
    done = []
    with pytest.raises(OSError, match="the first"):
        in_turn(lambda: failing("the first"), lambda: done.append("the second"), lambda: done.append("more"))
    assert done == ["the second"]


def test_an_error_of_the_last_is_raised_at_the_end():
    done = []
    with pytest.raises(OSError, match="the last"):
        in_turn(lambda: failing("the last"), lambda: done.append("the caller"))
    assert done == ["the caller"]


def test_an_error_of_the_caller_comes_first():
    with pytest.raises(OSError, match="the caller's"):
        in_turn(lambda: failing("the last"), lambda: failing("the caller's"))


def interrupted(work: Callable[[], None]) -> None:
    with Background() as background:
        background(work)
        raise KeyboardInterrupt


def test_who_interrupts_does_not_wait():
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(10)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        interrupted(work)
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(10)
