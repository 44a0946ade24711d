"""Work for all cores."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lightning_flowers.cgroups import cpu_count

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 64) -> Iterator[Result]:
    """`function` of each item, in order, by as many threads as there are cores.

    Args:
        ahead: results that may wait to be taken, so that memory is bounded.
    """
    pool = ThreadPoolExecutor(cpu_count())
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # what was begun ends, what was not is dropped: also where the one who asks goes away
        pool.shutdown(cancel_futures=True)
