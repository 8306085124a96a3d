"""Work that is done in a thread while the caller goes on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Background:
    """Does what it is called with, one after the other, in a thread of its own; a context, at whose end all is done,
    but after a KeyboardInterrupt.

    An error of what was done is raised by the next call, which has begun its own by then, or at the end.
    """

    def __enter__(self) -> "Background":
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._last: Future[None] | None = None
        return self

    def __call__(self, work: Callable[[], None]) -> None:
        """Begins some work, and returns when that before is done: of two things that wait, memory would hold both.

        Raises:
            Exception: what that before has raised.
        """
        before, self._last = self._last, self._thread.submit(work)
        if before is not None:
            before.result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, KeyboardInterrupt):  # Who asks to stop at once does not wait.
            self._thread.shutdown(wait=False, cancel_futures=True)
            return
        try:
            if error is None and self._last is not None:  # Else what has already been raised came first.
                self._last.result()
        finally:
            self._thread.shutdown()
