"""Short names for designs that are shown together."""

from __future__ import annotations

from collections.abc import Sequence

from reports.exploration.design_point import DesignPoint


def brief_names(points: Sequence[DesignPoint]) -> tuple[list[str], str]:
    """Of each design's description what the others do not share, and what all share.

    Descriptions stay whole, and nothing is shared, where there are fewer than two or their parts do not correspond.
    """
    parts = [str(point).split(", ") for point in points]
    if len({len(each) for each in parts}) != 1 or len(set(map(tuple, parts))) < 2:
        return [", ".join(each) for each in parts], ""
    varies = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    names = [", ".join(part for part, shown in zip(each, varies, strict=True) if shown) for each in parts]
    return names, ", ".join(part for part, shown in zip(parts[0], varies, strict=True) if not shown)
