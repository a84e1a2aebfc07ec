"""The one root of everything a user can cause."""


class BrickworkError(Exception):
    """A mistake in what the user gave; its text is one clear sentence per mistake."""


class SpecError(BrickworkError):
    """One or more mistakes in a spec file or library name, all reported at once.

    Attributes
    ----------
    faults : tuple of str
        One sentence each, with line and column where the text has them.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class NestError(BrickworkError):
    """A nest that cannot be what it says; names the nest and the culprit.

    Attributes
    ----------
    places : tuple of tuple
        For each fault, the part it is about: ``("loop", name)``, ``("access", position)`` (0 is the output),
        ``("tensor", name)``, ``("guard", position)``, ``("name", name)`` or ``("body",)``.
    """

    def __init__(self, nest: str, faults: tuple[str, ...], places: tuple[tuple[str | int, ...], ...] = ()) -> None:
        self.nest, self.faults, self.places = nest, faults, places
        super().__init__("\n".join(f"nest {nest!r}: {fault}" for fault in faults))
