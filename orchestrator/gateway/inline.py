"""An executor that runs what it is given at once, in the thread that gives it.

The voice detector needs 20 µs a window; a hop to a thread and back costs more than that, and a
thread for each conversation is memory.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class InlineExecutor(Executor):
    """Not for work that takes time."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (it is whoever waits for the result who handles it)
            future.set_exception(error)
        return future
