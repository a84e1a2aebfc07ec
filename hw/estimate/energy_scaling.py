"""Switching energy from one process node to another."""

from __future__ import annotations

from hw.estimate.table import EstimateError

# Stillmaker and Baas 2017: energy of a gate is a quadratic of the supply, one a node.
_QUADRATICS = {
    130.0: (7.171, -6.709, 2.904),
    90.0: (4.762, -4.781, 2.092),
    65.0: (3.755, -4.398, 1.975),
    45.0: (1.103, -0.362, 0.2767),
    32.0: (0.9559, -0.7823, 0.471),
    20.0: (0.373, -0.1582, 0.04104),
    16.0: (0.2958, -0.1241, 0.03024),
    14.0: (0.2363, -0.09675, 0.02239),
    10.0: (0.2068, -0.09311, 0.02375),
    7.0: (0.1776, -0.09097, 0.02447),
}
_LARGEST_NM, _ITS_SUPPLY_V = 130.0, 1.3


def energy_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Energy of an operation at a node and supply over that at another, by the fits of Stillmaker and Baas [1]_.

    Above 130 nm, where the copy of their table ends that is used here, energy goes with the node and the square of the
    supply, down to 130 nm at 1.3 V.

    Raises
    ------
    EstimateError
        A node below 130 nm is not one of the table.

    References
    ----------
    .. [1] A. Stillmaker and B. Baas, "Scaling equations for the accurate prediction of CMOS device performance from
       180 nm to 7 nm", Integration 58, 2017.
    """
    return _energy(to_nm, to_v) / _energy(from_nm, from_v)


def _energy(node_nm: float, supply_v: float) -> float:
    if node_nm > _LARGEST_NM:
        classical = node_nm / _LARGEST_NM * (supply_v / _ITS_SUPPLY_V) ** 2
        return classical * _energy(_LARGEST_NM, _ITS_SUPPLY_V)
    if node_nm not in _QUADRATICS:
        known = ", ".join(f"{node:g}" for node in sorted(_QUADRATICS))
        raise EstimateError(f"{node_nm:g}nm", (f"energy is known at {known} nm and above 130 nm",))
    a, b, c = _QUADRATICS[node_nm]
    return a * supply_v**2 + b * supply_v + c
