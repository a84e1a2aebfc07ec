"""A scoreboard lets nothing go missing, come twice or come in another size."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sim.exchange import Answer, Task
from sim.scoreboard import BenchFaultError, Scoreboard


def _task(number: int) -> Task:
    return Task(number, (), (), 0, 0, 2, 100, 2)


def _answer(number: int, size: int = 8) -> Answer:
    return Answer(number, bytes(size), 1, 1)


def _twice(board: Scoreboard) -> None:
    board.expect(_task(4))
    board.expect(_task(4))


def _unasked(board: Scoreboard) -> None:
    board.expect(_task(1))
    board.observe(_answer(2), 4)


def _short(board: Scoreboard) -> None:
    board.expect(_task(1))
    board.observe(_answer(1, 7), 4)


def _missing(board: Scoreboard) -> None:
    for number in (5, 3, 4):
        board.expect(_task(number))
    board.observe(_answer(5), 4)
    board.finish(at_least=1)


def _idle(board: Scoreboard) -> None:
    board.expect(_task(0))
    board.observe(_answer(0), 4)
    board.finish(at_least=2)


@pytest.mark.parametrize(
    ("play", "says"),
    [
        (_twice, "board: run 4 was started twice"),
        (_unasked, "board: a result came for run 2, which was not waiting for one"),
        (_short, "board: run 1 gave 7 bytes; expected 2 rows of 4"),
        (_missing, "board: 2 results never came, first that of run 3"),
        (_idle, "board: only 1 of 2 results came"),
    ],
)
def test_scoreboard_objects(play: Callable[[Scoreboard], None], says: str) -> None:
    with pytest.raises(BenchFaultError) as caught:
        play(Scoreboard("board"))
    assert str(caught.value) == caught.value.fault.text == says


def test_scoreboard_counts_matches() -> None:
    board = Scoreboard("board")
    for number in range(3):
        board.expect(_task(number))
        board.observe(_answer(number), 4)
    assert board.finish(at_least=3) == 3
