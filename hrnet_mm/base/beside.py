"""Work in threads beside this one: read ahead of it, write behind it, in order, in bounded memory.

The threads are daemons: a read that hangs, as of a network's folder, does not keep a program that
was interrupted from ending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from queue import SimpleQueue
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')
MOST_BYTES = 2**28  # of what waits; one item may be larger
PATIENCE = 5.0  # seconds, for what is under way in a thread that is to end


def ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    most: int,
    bytes_of: Callable[[Result], int],
) -> Iterator[tuple[Item, Callable[[], Result]]]:
    """Apply a function to items, in threads that are ahead of who asks for the results.

    Args:
        function: called by several threads if there are several workers.
        items: in order.
        workers: threads; 0: none, the function is called when its result is asked for.
        most: results that may wait.
        bytes_of: of a result; fewer wait if they are large.

    Yields:
        Each item, in order, with a function that gives its result, or raises what it has ended
        with.
    """
    if not workers:
        yield from ((item, lambda item=item: function(item)) for item in items)
        return
    tasks: SimpleQueue = SimpleQueue()
    threads = [Thread(target=_work, args=(function, tasks), daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    allowed, largest, remaining = min(workers, most), 1, iter(items)
    try:
        while True:
            for item in islice(remaining, max(0, allowed - len(waiting))):
                waiting.append((item, Future()))
                tasks.put(waiting[-1])
            if not waiting:
                return
            item, future = waiting.popleft()
            yield item, future.result
            if future.done() and future.exception() is None:
                largest = max(largest, bytes_of(future.result()))
                allowed = max(1, min(most, MOST_BYTES // largest))
            del future  # the result is not to be kept until the next is there
    finally:
        for _, future in waiting:
            future.cancel()
        for _ in threads:
            tasks.put(None)
        for thread in threads:
            thread.join(PATIENCE)


def _work(function: Callable[[Item], Result], tasks: SimpleQueue) -> None:
    while (task := tasks.get()) is not None:
        item, future = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function(item))
            except BaseException as error:
                future.set_exception(error)
        del task, item, future  # else the last result is kept until the next task


class Behind(Generic[Item]):
    """Calls a function with items, one by one in their order, in a thread behind who gives them.

    Within a with-block, at the end of which all items are done, also where it ends with an error:
    what was given before the error is finished. Once the function has failed it is not called any
    more, and ``put`` or the end of the block raises its error.

    Args:
        function: what to call.
        most: items that may wait; 0: there is no thread, ``put`` calls the function.
        bytes_of: of an item; fewer wait if they are large.
    """

    def __init__(
        self, function: Callable[[Item], object], most: int, bytes_of: Callable[[Item], int]
    ) -> None:
        self._function = function
        self._most = most
        self._bytes_of = bytes_of
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._changed = Condition()
        self._ends = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Behind[Item]:
        if self._most:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if not self._most:
            return
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        self._thread.join()
        if kind is None:
            self._raise()

    def put(self, item: Item) -> None:
        """Give an item, and wait while too many, or too large ones, are before it."""
        if not self._most:
            self._function(item)
            return
        size = self._bytes_of(item)
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._has_room(size))
            self._items.append(item)
            self._bytes += size
            self._changed.notify_all()
        self._raise()

    def _has_room(self, size: int) -> bool:
        fits = len(self._items) < self._most and self._bytes + size <= MOST_BYTES
        return fits or not self._items

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ends)
                if not self._items:
                    return
                item: Any = self._items.popleft()
            size = self._bytes_of(item)
            try:
                if self._error is None:
                    self._function(item)
            except BaseException as error:
                self._error = error
            del item
            with self._changed:
                self._bytes -= size
                self._changed.notify_all()
