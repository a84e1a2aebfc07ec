"""Which results a bench still waits for, and whether those that came can be results at all."""

from __future__ import annotations

from sim.exchange import Answer, Fault, Task


class BenchFaultError(Exception):
    """A design that breaks the rules of the host port; ends the simulation."""

    def __init__(self, text: str) -> None:
        self.fault = Fault(text)
        super().__init__(text)


class Scoreboard:
    """Pairs every run with its result; it must end empty and must have worked.

    Attributes
    ----------
    matched : int
        Results that came for runs that were waiting for one.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.matched = 0
        self._expected: dict[int, Task] = {}

    def expect(self, task: Task) -> None:
        """Wait for the result of a run."""
        if task.number in self._expected:
            raise BenchFaultError(f"{self.name}: run {task.number} was started twice")
        self._expected[task.number] = task

    def observe(self, answer: Answer, row_bytes: int) -> None:
        """Take the result of a run off the list."""
        task = self._expected.pop(answer.number, None)
        if task is None:
            raise BenchFaultError(f"{self.name}: a result came for run {answer.number}, which was not waiting for one")
        if len(answer.rows) != task.result_rows * row_bytes:
            raise BenchFaultError(
                f"{self.name}: run {answer.number} gave {len(answer.rows)} bytes; "
                f"expected {task.result_rows} rows of {row_bytes}"
            )
        self.matched += 1

    def finish(self, *, at_least: int) -> int:
        """Check that nothing is missing and return how many results came."""
        if self._expected:
            raise BenchFaultError(
                f"{self.name}: {len(self._expected)} results never came, first that of run {min(self._expected)}"
            )
        if self.matched < at_least:
            raise BenchFaultError(f"{self.name}: only {self.matched} of {at_least} results came")
        return self.matched
