"""What the host has written into a design's banks."""

from __future__ import annotations

from collections.abc import Iterable

from sim.accelerator import Load
from sim.exchange import Rows


class BankContents:
    """What the host has written into the banks of each tensor's set, and how many rows that took."""

    def __init__(self, remember: bool) -> None:
        self.remember = remember
        self.held: dict[int, dict[int, bytes]] = {}
        self.rows = 0

    def left_to_write(self, loads: Iterable[Load], result_id: int) -> tuple[Rows, ...]:
        """The loads of a run without what lies there; the run overwrites the banks of its result."""
        found = []
        for load in loads:
            held = self.held.setdefault(load.tensor_id, {})
            rows = {load.address + n: row.tobytes() for n, row in enumerate(load.rows)}
            if self.remember and all(held.get(address) == row for address, row in rows.items()):
                continue
            held |= rows
            self.rows += len(load.rows)
            found.append(Rows(load.tensor_id, load.address, len(load.rows), load.rows.tobytes()))
        self.held.pop(result_id, None)
        return tuple(found)

    def taken(self) -> int:
        """Rows written since the last question."""
        rows, self.rows = self.rows, 0
        return rows
