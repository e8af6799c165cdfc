"""Threads ahead of and behind the one that computes: in order, bounded, no error lost."""

from __future__ import annotations

import threading
from itertools import count, islice

import pytest

from hrnet_mm.base.beside import MOST_BYTES, Behind, ahead


def nothing(_: object) -> int:
    return 0


def even(number: int) -> int:
    if number % 2:
        raise ValueError(f'{number} is odd')
    return number


@pytest.mark.parametrize('workers', [0, 1, 3])
def test_results_and_errors_come_in_the_order_of_the_items(workers: int) -> None:
    found = []
    for number, result in ahead(even, range(7), workers, 4, nothing):
        try:
            found.append((number, result()))
        except ValueError as error:
            found.append((number, str(error)))
    assert found == [(n, f'{n} is odd' if n % 2 else n) for n in range(7)]


def test_an_item_that_is_ready_early_waits_for_those_before_it() -> None:
    later = threading.Event()

    def first_is_last(number: int) -> int:
        if number == 0:
            assert later.wait(10)
        later.set()
        return number

    assert [get() for _, get in ahead(first_is_last, range(4), 2, 2, nothing)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ('size', 'most_begun'), [(1, 3), (MOST_BYTES // 2, 2), (2 * MOST_BYTES, 1)]
)
def test_no_more_is_begun_than_may_wait_fewer_if_large(size: int, most_begun: int) -> None:
    begun = count()
    results = ahead(lambda _: next(begun), range(20), 2, 3, lambda _: size)
    _, get = next(results)
    get()
    for asked in range(2, 12):
        _, get = next(results)
        get()
        if asked > 3:  # before the first results nothing is known of their size
            assert number_of(begun) <= asked + most_begun
    results.close()


def test_endless_items_are_left_and_no_thread_stays() -> None:
    before = threading.active_count()
    results = ahead(even, count(0, 2), 3, 5, nothing)
    assert [get() for _, get in islice(results, 4)] == [0, 2, 4, 6]
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize('most', [0, 1, 3])
def test_what_is_given_is_done_in_order_by_the_end(most: int) -> None:
    done: list[int] = []
    with Behind(done.append, most, nothing) as behind:
        for number in range(9):
            behind.put(number)
    assert done == [*range(9)]


def test_what_was_given_before_an_error_is_finished() -> None:
    done, go = [], threading.Event()

    def finish(number: int) -> None:
        go.wait(10)
        done.append(number)

    with pytest.raises(KeyboardInterrupt), Behind(finish, 5, nothing) as behind:
        behind.put(0)
        behind.put(1)
        go.set()
        raise KeyboardInterrupt
    assert done == [0, 1]


@pytest.mark.parametrize('last', [1, 50])
def test_an_error_is_raised_and_ends_the_work(last: int) -> None:
    seen = []

    def fail_at_one(number: int) -> None:
        seen.append(number)
        even(number)

    with pytest.raises(ValueError, match='1 is odd'), Behind(fail_at_one, 2, nothing) as behind:
        for number in range(last + 1):
            behind.put(number)
    assert seen == [0, 1]


@pytest.mark.parametrize(('size', 'most_waiting'), [(1, 3), (MOST_BYTES, 1)])
def test_who_gives_waits_while_too_much_is_before_it(size: int, most_waiting: int) -> None:
    given, done = count(), count()

    def finish(_: int) -> None:
        # One is under way, and one may be on its way into the queue.
        assert number_of(given) - number_of(done) <= most_waiting + 2
        next(done)

    with Behind(finish, 3, lambda _: size) as behind:
        for _ in range(30):
            behind.put(next(given))
    assert number_of(done) == 30


def number_of(counter: count) -> int:
    return int(repr(counter)[6:-1])
