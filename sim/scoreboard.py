"""What a run was expected to do, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass
class Scoreboard:
    """Compares tensors and cycle counts; it must end empty and must have worked.

    Attributes
    ----------
    faults : list of str
        One sentence each.
    checked : int
        Elements compared.
    """

    faults: list[str] = field(default_factory=list)
    checked: int = 0
    _waiting: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    def expect(self, name: str, value: npt.NDArray[np.generic]) -> None:
        """A tensor that has to come."""
        assert name not in self._waiting, name
        self._waiting[name] = value

    def tensor(self, name: str, value: npt.NDArray[np.generic]) -> None:
        """A tensor that came."""
        wanted = self._waiting.pop(name, None)
        if wanted is None:
            self.faults.append(f"tensor {name!r} came but was not expected")
            return
        self.checked += wanted.size
        if wanted.shape != value.shape:
            self.faults.append(f"tensor {name!r} has shape {list(value.shape)}; expected {list(wanted.shape)}")
            return
        wrong = np.argwhere(wanted != value)
        if len(wrong):
            first = tuple(int(i) for i in wrong[0])
            self.faults.append(
                f"tensor {name!r} differs in {len(wrong)} of {wanted.size} elements, first at {list(first)}: "
                f"{value[first]} instead of {wanted[first]}"
            )

    def cycles(self, run: int, predicted: int, counted: int, timed: int) -> None:
        """Cycle counts of one run: the model's, the design's own counter, and the bench's count."""
        self.checked += 1
        if counted != predicted:
            self.faults.append(f"run {run} took {counted} cycles; the model predicts {predicted}")
        if timed != counted:
            self.faults.append(f"run {run} was busy for {timed} cycles, but its counter says {counted}")

    def finish(self, *, at_least: int) -> tuple[str, ...]:
        """All faults, missing results and too little work included."""
        missing = [f"tensor {name!r} never came" for name in self._waiting]
        idle = [] if self.checked >= at_least else [f"only {self.checked} of {at_least} results were checked"]
        return (*self.faults, *missing, *idle)
