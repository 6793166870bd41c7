"""Group commit: who waits at the same time shares one transaction, and one bad request spoils it for nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import OperationalError

from models.db.group_commit import Call, GroupCommit

Work = Callable[[Sequence[int]], Sequence[int]]
SOON_S = 5.0


def broken_connection() -> OperationalError:
    return OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))


def doubled(batch: Sequence[int]) -> list[int]:
    return [2 * one for one in batch]


@pytest.fixture
def started() -> Iterator[Callable[..., GroupCommit[int, int]]]:
    made: list[GroupCommit[int, int]] = []

    def start(work: Work, **options: object) -> GroupCommit[int, int]:
        commits: GroupCommit[int, int] = GroupCommit("test", work, **options)  # type: ignore[arg-type]
        commits.start()
        made.append(commits)
        return commits

    yield start
    for commits in made:
        commits.close()


def test_each_request_gets_its_own_result(started: Callable[..., GroupCommit[int, int]]) -> None:
    commits = started(doubled)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(commits.ask, range(500))) == doubled(range(500))


def test_what_gathers_while_a_batch_commits_is_the_next_batch(started: Callable[..., GroupCommit[int, int]]) -> None:
    batches: list[list[int]] = []
    committing, go_on = threading.Event(), threading.Event()

    def work(batch: Sequence[int]) -> list[int]:
        batches.append(list(batch))
        committing.set()
        assert go_on.wait(SOON_S)
        return doubled(batch)

    commits = started(work)
    answers: list[int | BaseException] = []
    all_there = threading.Event()

    def answer(result: int | BaseException) -> None:
        answers.append(result)
        if len(answers) == 8:
            all_there.set()

    commits.put(0, answer)
    assert committing.wait(SOON_S)
    for number in range(1, 8):
        commits.put(number, answer)
    go_on.set()
    assert all_there.wait(SOON_S)
    assert batches == [[0], [1, 2, 3, 4, 5, 6, 7]]
    assert answers == doubled(range(8))


def test_a_batch_is_never_longer_than_its_limit(started: Callable[..., GroupCommit[int, int]]) -> None:
    sizes: list[int] = []

    def work(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        return doubled(batch)

    commits = started(work, limit=10)
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(commits.ask, range(300))) == doubled(range(300))
    assert max(sizes) <= 10
    assert sum(sizes) == 300


def test_a_batch_whose_commit_broke_is_repeated_once(started: Callable[..., GroupCommit[int, int]]) -> None:
    calls = 0

    def work(batch: Sequence[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise broken_connection()
        return doubled(batch)

    assert started(work).ask(21) == 42
    assert calls == 2


def test_an_absent_database_is_told_to_each_and_ends_nothing(started: Callable[..., GroupCommit[int, int]]) -> None:
    away = True

    def work(batch: Sequence[int]) -> list[int]:
        if away:
            raise broken_connection()
        return doubled(batch)

    commits = started(work)
    with pytest.raises(OperationalError):
        commits.ask(1)
    away = False
    assert commits.ask(1) == 2


def test_one_bad_request_fails_alone(started: Callable[..., GroupCommit[int, int]]) -> None:
    first, go_on = threading.Event(), threading.Event()

    def work(batch: Sequence[int]) -> list[int]:
        first.set()
        assert go_on.wait(SOON_S)
        if 13 in batch:
            raise ValueError("13")
        return doubled(batch)

    commits = started(work)
    with ThreadPoolExecutor(16) as pool:
        asked = {number: pool.submit(commits.ask, number) for number in range(10, 16)}
        assert first.wait(SOON_S)
        go_on.set()
        for number, future in asked.items():
            if number == 13:
                with pytest.raises(ValueError, match="13"):
                    future.result(SOON_S)
            else:
                assert future.result(SOON_S) == 2 * number
    assert commits.ask(1) == 2


def test_answers_are_handed_over_a_batch_at_a_time(started: Callable[..., GroupCommit[int, int]]) -> None:
    handed: list[int] = []

    def hand_over(calls: Sequence[Call]) -> None:
        handed.append(len(calls))
        for call in calls:
            call()

    commits = started(doubled, hand_over=hand_over)
    assert commits.ask(4) == 8
    assert handed == [1]


def test_an_answer_that_raises_ends_neither_the_thread_nor_the_other_answers(
    started: Callable[..., GroupCommit[int, int]],
) -> None:
    def defect(_: int | BaseException) -> None:
        raise RuntimeError("the one who asked is broken")

    commits = started(doubled)
    commits.put(1, defect)
    assert commits.ask(2, SOON_S) == 4


def test_closing_commits_what_waits(started: Callable[..., GroupCommit[int, int]]) -> None:
    answers: list[int | BaseException] = []
    commits = started(doubled)
    for number in range(1_000):
        commits.put(number, answers.append)
    commits.close()
    assert answers == doubled(range(1_000))


def test_a_request_after_the_end_is_refused_instead_of_waiting_for_ever(
    started: Callable[..., GroupCommit[int, int]],
) -> None:
    commits = started(doubled)
    commits.close()
    with pytest.raises(RuntimeError, match="closed"):
        commits.ask(1, SOON_S)
