"""Reading ahead and writing behind: in order, bounded, and never stuck, whatever fails."""

import threading
from collections.abc import Callable, Iterator

import pytest

from film.overlap import ReadAhead, WriteBehind

PATIENCE = 30  # seconds, for what should come at once; a test that waits them out fails


class Interruption(BaseException):
    """What isn't an `Exception`, as Ctrl-C isn't."""


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before


def numbers_then(error: BaseException) -> Iterator[int]:
    yield from range(3)
    raise error


def test_items_are_read_in_order() -> None:
    with ReadAhead(range(1000), size=3) as items:
        assert list(items) == list(range(1000))


def test_nothing_to_read_is_fine() -> None:
    with ReadAhead(range(0), size=1) as items:
        assert list(items) == []


def test_reading_is_never_more_than_the_queue_and_one_item_ahead() -> None:
    taken: list[int] = []
    drawn: list[int] = []
    most_ahead: list[int] = []

    def source() -> Iterator[int]:
        for number in range(200):
            drawn.append(number)
            most_ahead.append(len(drawn) - len(taken))
            yield number

    with ReadAhead(source(), size=4) as items:
        taken.extend(iter(items))
    # 4 in the queue, one in the reader's hands, and one that the user took but hasn't noted yet.
    assert max(most_ahead) <= 6


def test_reading_goes_on_while_nobody_takes() -> None:
    third = threading.Event()

    def source() -> Iterator[int]:
        yield 0
        yield 1
        third.set()
        yield 2

    with ReadAhead(source(), size=2) as items:
        assert third.wait(PATIENCE)
        assert list(items) == [0, 1, 2]


@pytest.mark.parametrize("error", [ValueError("broken"), Interruption()])
def test_an_error_of_the_reader_arrives_behind_what_was_read(error: BaseException) -> None:
    taken: list[int] = []
    with pytest.raises(type(error)) as caught, ReadAhead(numbers_then(error), size=2) as items:
        taken.extend(iter(items))
    assert caught.value is error
    assert taken == [0, 1, 2]


def test_leaving_early_stops_a_reader_that_waits_for_room() -> None:
    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    with ReadAhead(endless(), size=2) as items:
        assert next(iter(items)) == 0


@pytest.mark.parametrize("error", [ValueError, Interruption])
def test_leaving_by_an_error_stops_the_reader_and_the_error_goes_on(error: type[BaseException]) -> None:
    def use(items: ReadAhead[int]) -> None:
        assert next(iter(items)) == 0
        raise error

    with pytest.raises(error), ReadAhead(iter(int, 1), size=2) as items:
        use(items)


def test_leaving_early_ends_a_reader_that_waits_for_its_source() -> None:
    waiting, ended = threading.Event(), threading.Event()

    def silent() -> Iterator[int]:
        yield 0
        waiting.set()
        assert ended.wait(PATIENCE), "nobody ended the source"
        raise OSError("the source was ended")

    with ReadAhead(silent(), size=2, stop=ended.set) as items:
        assert next(iter(items)) == 0
        assert waiting.wait(PATIENCE)


def test_a_reader_that_is_done_is_not_ended() -> None:
    ended = threading.Event()
    with ReadAhead(range(3), size=5, stop=ended.set) as items:
        assert list(items) == [0, 1, 2]
        for thread in threading.enumerate():
            if thread.name == "read-ahead":
                thread.join(PATIENCE)
    assert not ended.is_set()


def test_items_are_written_in_order_and_all_of_them() -> None:
    written: list[int] = []
    with WriteBehind(written.append, size=3) as behind:
        for number in range(1000):
            behind.put(number)
    assert written == list(range(1000))


def test_writing_is_never_more_than_the_queue_and_one_item_behind() -> None:
    put: list[int] = []
    written: list[int] = []
    most_behind: list[int] = []

    def write(number: int) -> None:
        most_behind.append(len(put) - len(written))
        written.append(number)

    with WriteBehind(write, size=4) as behind:
        for number in range(200):
            put.append(number)
            behind.put(number)
    # 4 in the queue, one in the writer's hands, one that waits for room.
    assert max(most_behind) <= 6


def test_putting_does_not_wait_for_writing_while_there_is_room() -> None:
    go_on = threading.Event()
    written: list[int] = []

    def write(number: int) -> None:
        assert go_on.wait(PATIENCE)
        written.append(number)

    with WriteBehind(write, size=3) as behind:
        for number in range(3):
            behind.put(number)
        assert not written
        go_on.set()
    assert written == [0, 1, 2]


def put_all(behind: WriteBehind[int], count: int) -> None:
    for number in range(count):
        behind.put(number)


def failing_at(number: int, error: BaseException) -> tuple[Callable[[int], None], list[int]]:
    """Give a `write` that fails at an item, and the items that it was called with."""
    seen: list[int] = []

    def write(item: int) -> None:
        seen.append(item)
        if item == number:
            raise error

    return write, seen


@pytest.mark.parametrize("error", [ValueError("broken"), Interruption()])
def test_an_error_of_the_writer_arrives_at_a_later_put(error: BaseException) -> None:
    write, seen = failing_at(2, error)
    with pytest.raises(type(error)) as caught, WriteBehind(write, size=2) as behind:
        put_all(behind, 1000)
    assert caught.value is error
    assert seen == [0, 1, 2]  # nothing is written after what failed


@pytest.mark.parametrize("error", [ValueError("broken"), Interruption()])
def test_an_error_at_the_very_last_item_arrives_too(error: BaseException) -> None:
    write, seen = failing_at(2, error)
    with pytest.raises(type(error)) as caught, WriteBehind(write, size=5) as behind:
        put_all(behind, 3)
    assert caught.value is error
    assert seen == [0, 1, 2]


def test_a_writer_that_fails_while_the_queue_is_full_blocks_nobody() -> None:
    full = threading.Event()

    def write(number: int) -> None:
        assert full.wait(PATIENCE)
        raise ValueError(number)

    def fill(behind: WriteBehind[int]) -> None:
        behind.put(0)  # in the writer's hands, or soon
        behind.put(1)
        full.set()
        for number in range(2, 100):
            behind.put(number)

    with pytest.raises(ValueError, match=r"^0$"), WriteBehind(write, size=1) as behind:
        fill(behind)


def test_an_error_of_the_user_drops_what_is_not_written() -> None:
    begun, go_on = threading.Event(), threading.Event()
    written: list[int] = []

    def write(number: int) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        written.append(number)

    def use(behind: WriteBehind[int]) -> None:
        for number in range(3):
            behind.put(number)
        assert begun.wait(PATIENCE)
        raise Interruption

    with pytest.raises(Interruption), WriteBehind(write, size=3, stop=go_on.set) as behind:
        use(behind)
    assert written == [0]  # what was under way when `stop` was called


def test_a_write_that_hangs_is_ended_and_the_users_error_is_what_arrives() -> None:
    begun, ended = threading.Event(), threading.Event()

    def write(number: int) -> None:
        begun.set()
        assert ended.wait(PATIENCE), "nobody ended the writing"
        raise OSError(number)

    def use(behind: WriteBehind[int]) -> None:
        behind.put(0)
        assert begun.wait(PATIENCE)
        raise Interruption

    with pytest.raises(Interruption), WriteBehind(write, size=1, stop=ended.set) as behind:
        use(behind)


def test_a_writer_is_not_ended_where_all_goes_well() -> None:
    ended = threading.Event()
    written: list[int] = []
    with WriteBehind(written.append, size=1, stop=ended.set) as behind:
        behind.put(0)
    assert written == [0]
    assert not ended.is_set()


def test_both_together_pass_everything_on() -> None:
    written: list[int] = []
    with ReadAhead(range(500), size=2) as items, WriteBehind(written.append, size=2) as behind:
        for number in items:
            behind.put(2 * number)
    assert written == list(range(0, 1000, 2))
