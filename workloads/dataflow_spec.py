"""A dataflow as the user wrote it: plain data, only its form is checked."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.yaml_reader import Node, Reader, did_you_mean

KEYS = ("name", "space", "skew", "order", "tile")


@dataclass(frozen=True)
class DataflowSpec:
    """What stands under ``dataflow:``.

    Attributes
    ----------
    space : tuple of (loop, size)
        Axes of the array, in order.
    skew : tuple of int or None
        One entry an axis.
    order : tuple of str or None
        Time loops, outermost first.
    tile : tuple of (loop, size)
    """

    name: str
    space: tuple[tuple[str, int], ...]
    skew: tuple[int, ...] | None = None
    order: tuple[str, ...] | None = None
    tile: tuple[tuple[str, int], ...] = ()

    def entries(self) -> tuple[str, ...]:
        """The keys and values as YAML, one a key, the name left out."""
        found = [f"space: {_sizes(self.space)}"]
        if self.skew is not None:
            found.append(f"skew: [{', '.join(map(str, self.skew))}]")
        if self.order is not None:
            found.append(f"order: [{', '.join(self.order)}]")
        if self.tile:
            found.append(f"tile: {_sizes(self.tile)}")
        return tuple(found)

    def __str__(self) -> str:
        return f"{{name: {self.name}, {', '.join(self.entries())}}}"


def _sizes(sizes: tuple[tuple[str, int], ...]) -> str:
    return f"{{{', '.join(f'{name}: {size}' for name, size in sizes)}}}"


def read_dataflow(reader: Reader, node: Node, loops: tuple[str, ...], *, name: str | None) -> DataflowSpec | None:
    """Read one dataflow; ``name`` is the default, None where one has to be given."""
    entries = reader.known(reader.entries(node, "dataflow"), KEYS, "dataflow")
    if not entries:
        return None
    wanted = {"space": "{m: 16, n: 16}"} if name else {"name": "ws", "space": "{m: 16, n: 16}"}
    reader.missing(node, entries, wanted, "dataflow")
    if "name" in entries:
        name = reader.name(entries["name"][1], "dataflow: 'name'")
    space = _read_sizes(reader, entries["space"][1], "space", loops) if "space" in entries else ()
    skew: tuple[int, ...] | None = None
    if "skew" in entries:
        steps = [
            reader.integer(n, "dataflow: an entry of 'skew'")
            for n in reader.items(entries["skew"][1], "dataflow: 'skew'")
        ]
        skew = tuple(step for step in steps if step is not None)
    order: tuple[str, ...] | None = None
    if "order" in entries:
        order = tuple(
            loop
            for n in reader.items(entries["order"][1], "dataflow: 'order'")
            if (loop := _read_loop(reader, n, "order", loops)) is not None
        )
    tile = _read_sizes(reader, entries["tile"][1], "tile", loops) if "tile" in entries else ()
    return DataflowSpec(name or "dataflow", space, skew, order, tile)


def _read_sizes(reader: Reader, node: Node, key: str, loops: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    sizes = []
    for key_node, value in reader.entries(node, f"dataflow: {key!r}").values():
        loop = _read_loop(reader, key_node, key, loops)
        size = reader.integer(value, f"dataflow: the size of {key_node.value!r} in {key!r}", least=1)
        if loop is not None and size is not None:
            sizes.append((loop, size))
    return tuple(sizes)


def _read_loop(reader: Reader, node: Node, key: str, loops: tuple[str, ...]) -> str | None:
    loop = reader.text(node, f"dataflow: an entry of {key!r}")
    # Without loops the nest itself is at fault, and has been reported.
    if loop is not None and loops and loop not in loops:
        reader.fault(node, f"dataflow: {loop!r} in {key!r} is not a loop{did_you_mean(loop, loops)}")
        return None
    return loop
