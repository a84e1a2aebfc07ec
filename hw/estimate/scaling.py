"""Area from one process node to another."""

from __future__ import annotations

from math import exp, log

from dataflow.technology import Technology
from hw.estimate.table import EstimateError

# Stillmaker and Baas 2017, area against 45 nm: the column of 45 nm in their table of factors.
_AREA_OVER_45_NM = {
    130.0: 6.4,
    90.0: 2.8,
    65.0: 1.5,
    45.0: 1.0,
    32.0: 0.46,
    20.0: 0.21,
    16.0: 0.19,
    14.0: 0.17,
    10.0: 0.10,
    7.0: 0.059,
}
# Beyond the table, and within it where a node shrinks as its name says, area goes with the square of the node.
_LARGEST_NM = max(_AREA_OVER_45_NM)


def area_factor(from_nm: float, to: Technology) -> float:
    """Area at a technology's node over the area at another, by the factors of Stillmaker and Baas [1]_.

    Between two nodes of their table the factor's logarithm is linear in the node's; above 130 nm it goes with the
    square of the node.

    Raises
    ------
    EstimateError
        The node is below 7 nm.

    References
    ----------
    .. [1] A. Stillmaker and B. Baas, "Scaling equations for the accurate prediction of CMOS device performance from
       180 nm to 7 nm", Integration 58, 2017.
    """
    return _over_45_nm(to.node_nm, to.name) / _over_45_nm(from_nm, to.name)


def _over_45_nm(node_nm: float, technology: str) -> float:
    known = sorted(_AREA_OVER_45_NM)
    if node_nm < known[0]:
        raise EstimateError(technology, (f"area is known from 7 nm up, not at {node_nm:g} nm",))
    if node_nm >= _LARGEST_NM:
        return _AREA_OVER_45_NM[_LARGEST_NM] * (node_nm / _LARGEST_NM) ** 2
    below = max(n for n in known if n <= node_nm)
    above = min(n for n in known if n > node_nm)
    part = log(node_nm / below) / log(above / below)
    return exp((1 - part) * log(_AREA_OVER_45_NM[below]) + part * log(_AREA_OVER_45_NM[above]))
