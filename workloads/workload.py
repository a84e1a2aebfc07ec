"""A workload: a graph of nests and elementwise steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workloads.elementwise import Elementwise, apply, form_faults, output_faults, output_tensor
from workloads.errors import BrickworkError
from workloads.interpreter import Array, InputError, array_faults, run
from workloads.nest import Nest, Tensor

Step = Nest | Elementwise
Fault = tuple[int | None, str]


class WorkloadError(BrickworkError):
    """A graph that cannot be run; lists every fault.

    Attributes
    ----------
    places : tuple of int or None
        For each fault, the position of the step that it is about.
    """

    def __init__(self, workload: str, faults: tuple[str, ...], places: tuple[int | None, ...]) -> None:
        self.workload, self.faults, self.places = workload, faults, places
        super().__init__("\n".join(f"workload {workload!r}: {fault}" for fault in faults))


@dataclass(frozen=True)
class Workload:
    """Nests and elementwise steps that pass tensors to each other by name.

    Attributes
    ----------
    steps : tuple of Nest or Elementwise
        In any order; each writes one tensor.
    declared : tuple of Tensor
        Inputs that no nest reads, and that therefore need a declaration.

    Raises
    ------
    WorkloadError
        Names clash, tensors are unknown, steps wait for each other, or shapes and formats differ between steps.
    """

    name: str
    steps: tuple[Step, ...]
    declared: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        if faults := tuple(_faults(self)):
            raise WorkloadError(self.name, tuple(f for _, f in faults), tuple(place for place, _ in faults))

    def __str__(self) -> str:
        # The text of a spec file is a concept of its own, built on this one.
        from workloads.text import workload_text

        return workload_text(self)

    @cached_property
    def order(self) -> tuple[Step, ...]:
        """Every step after the steps whose tensors it reads, otherwise as listed."""
        return tuple(self.steps[position] for position in _order(self.steps))

    @property
    def nests(self) -> tuple[Nest, ...]:
        return tuple(step for step in self.order if isinstance(step, Nest))

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Inputs in order of first use, then what each step writes."""
        return tuple(_tensors(self.order, self.declared).values())

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        written = {output_of(step) for step in self.steps}
        return tuple(t for t in self.tensors if t.name not in written)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Written tensors that no step reads."""
        read = {name for step in self.steps for name in inputs_of(step)}
        inputs = {t.name for t in self.inputs}
        return tuple(t for t in self.tensors if t.name not in read and t.name not in inputs)

    def random_inputs(self, seed: int) -> dict[str, Array]:
        """Seeded input arrays over the full range of each format."""
        rng = np.random.default_rng(seed)
        return {t.name: t.format.random(t.shape, rng) for t in self.inputs}

    def run(self, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        """Every tensor that the steps write, intermediate ones as well, in topological order.

        Raises
        ------
        InputError
            Lists every array that is missing, unknown or does not fit.
        """
        given = {name: np.asarray(array) for name, array in inputs.items()}
        known = {t.name: t for t in self.inputs}
        faults = [f"tensor {n!r} is not an input; the inputs are {', '.join(known)}" for n in given if n not in known]
        for tensor in self.inputs:
            if tensor.name in given:
                faults += array_faults(tensor, given[tensor.name])
            else:
                faults.append(f"tensor {tensor.name!r} is missing; expected an array of shape {list(tensor.shape)}")
        if faults:
            raise InputError(self.name, tuple(faults))
        arrays: dict[str, Array] = {n: a.astype(known[n].format.dtype) for n, a in given.items()}
        tensors = {t.name: t for t in self.tensors}
        for step in self.order:
            if isinstance(step, Nest):
                arrays[step.output.tensor] = run(step, {name: arrays[name] for name in inputs_of(step)})
            else:
                arrays[step.output] = apply(step, arrays, tensors[step.output])
        return {output_of(step): arrays[output_of(step)] for step in self.order}


def inputs_of(step: Step) -> tuple[str, ...]:
    """Names of the tensors that a step reads, each once."""
    return tuple(dict.fromkeys(a.tensor for a in step.inputs) if isinstance(step, Nest) else dict.fromkeys(step.inputs))


def output_of(step: Step) -> str:
    """Name of the tensor that a step writes."""
    return step.output.tensor if isinstance(step, Nest) else step.output


def _order(steps: tuple[Step, ...]) -> tuple[int, ...]:
    """Positions in topological order; steps that wait for each other are left out."""
    waiting = dict(enumerate(steps))
    order: list[int] = []
    while True:
        pending = {output_of(step) for step in waiting.values()}
        ready = next((p for p, step in waiting.items() if not pending.intersection(inputs_of(step))), None)
        if ready is None:
            return tuple(order)
        order.append(ready)
        del waiting[ready]


def _tensors(order: tuple[Step, ...], declared: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Every tensor by name, for an ordered, well-formed graph; inputs come first."""
    written = {output_of(step) for step in order}
    inputs = {t.name: t for t in declared}
    made: dict[str, Tensor] = {}
    for step in order:
        if isinstance(step, Nest):
            for tensor in step.tensors:
                plain = Tensor(tensor.name, tensor.format, tensor.shape)
                (made if tensor.name in written else inputs).setdefault(tensor.name, plain)
        else:
            made[step.output] = output_tensor(step, tuple((inputs | made)[name] for name in step.inputs))
    return inputs | made


def _faults(workload: Workload) -> Iterator[Fault]:
    steps = workload.steps
    if not (workload.name.isidentifier() and workload.name.isascii()):
        yield None, f"the name {workload.name!r} is not letters, digits and '_', starting with a letter"
    if not steps:
        yield None, "there are no steps; expected at least one"
    writers: dict[str, int] = {}
    names: dict[str, int] = {}
    for position, step in enumerate(steps):
        if step.name in names:
            yield position, f"two steps are called {step.name!r}"
        names.setdefault(step.name, position)
        output = output_of(step)
        if output in writers:
            yield position, f"step {step.name!r} writes {output!r}, which step {steps[writers[output]].name!r} writes"
        writers.setdefault(output, position)
        if isinstance(step, Elementwise):
            for word in (step.name, step.output):
                if not (word.isidentifier() and word.isascii()):
                    yield position, f"the name {word!r} is not letters, digits and '_', starting with a letter"
            for fault in form_faults(step):
                yield position, f"step {step.name!r}: {fault}"
    order = _order(steps)
    if stuck := [steps[p].name for p in range(len(steps)) if p not in order]:
        position = next(p for p in range(len(steps)) if p not in order)
        yield position, f"the steps {', '.join(map(repr, stuck))} wait for each other's tensors; expected no cycle"
    yield from _tensor_faults(workload, order)


def _tensor_faults(workload: Workload, order: tuple[int, ...]) -> Iterator[Fault]:
    """Faults of the tensors that steps pass on, as far as the steps can be ordered."""
    steps = workload.steps
    written = {output_of(step) for step in steps}
    known: dict[str, tuple[Tensor, str]] = {}
    for tensor in workload.declared:
        if tensor.name in known:
            yield None, f"input {tensor.name!r} is declared twice"
        if tensor.name in written:
            yield None, f"input {tensor.name!r} is declared, but a step writes it"
        if not any(tensor.name in inputs_of(step) for step in steps):
            yield None, f"input {tensor.name!r} is declared, but no step reads it"
        known.setdefault(tensor.name, (tensor, "the declaration"))
    # What nests read from outside is known before any elementwise step needs it.
    for position in order:
        if isinstance(nest := steps[position], Nest):
            for tensor in nest.tensors:
                if tensor.name not in written:
                    known.setdefault(tensor.name, (tensor, f"step {nest.name!r}"))
    for position in order:
        step = steps[position]
        if isinstance(step, Nest):
            for tensor in step.tensors:
                before, where = known.setdefault(tensor.name, (tensor, f"step {step.name!r}"))
                if before.shape != tensor.shape:
                    yield (
                        position,
                        f"step {step.name!r}: tensor {tensor.name!r} has shape {list(tensor.shape)}, "
                        f"but {list(before.shape)} in {where}",
                    )
                if before.format != tensor.format:
                    yield (
                        position,
                        f"step {step.name!r}: tensor {tensor.name!r} is {tensor.format}, "
                        f"but {before.format} in {where}",
                    )
            continue
        unknown = [name for name in dict.fromkeys(step.inputs) if name not in known]
        for name in unknown:
            # A tensor that some broken step writes has its fault there.
            if name not in written:
                yield position, f"step {step.name!r} reads {name!r}, which no step writes and no 'inputs' declares"
        if unknown or any(form_faults(step)):
            continue
        tensors = tuple(known[name][0] for name in step.inputs)
        faults = tuple(output_faults(step, tensors))
        for fault in faults:
            yield position, f"step {step.name!r}: {fault}"
        if not faults:
            known.setdefault(step.output, (output_tensor(step, tensors), f"step {step.name!r}"))
