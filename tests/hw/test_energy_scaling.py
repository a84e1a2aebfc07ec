"""Energy from node to node: the fits of Stillmaker and Baas, and the square law above their table."""

import pytest

from hw.estimate import EstimateError
from hw.estimate.energy_scaling import energy_factor


def test_factors_worked_out_by_hand():
    assert energy_factor(45, 0.9, 45, 0.9) == 1.0
    # 1.103 x 0.81 - 0.362 x 0.9 + 0.2767 over 1.103 x 1.21 - 0.362 x 1.1 + 0.2767.
    assert energy_factor(45, 1.1, 45, 0.9) == pytest.approx(0.84433 / 1.21313, rel=1e-5)
    # 180 nm at 1.8 V against 130 nm at 1.3 V: capacitance by the node, and the square of the supply.
    assert energy_factor(180, 1.8, 130, 1.3) == pytest.approx(130 / 180 * (1.3 / 1.8) ** 2)
    there = energy_factor(180, 1.8, 45, 0.9)
    assert there == pytest.approx(0.0505, abs=5e-5)
    assert there * energy_factor(45, 0.9, 180, 1.8) == pytest.approx(1.0)
    nodes = [energy_factor(45, 0.9, node, 0.8) for node in (45, 32, 20, 16, 14, 10, 7)]
    assert nodes == sorted(nodes, reverse=True)


def test_a_node_that_is_not_in_the_table():
    with pytest.raises(EstimateError) as caught:
        energy_factor(180, 1.8, 28, 0.9)
    assert str(caught.value) == (
        "area estimate '28nm': energy is known at 7, 10, 14, 16, 20, 32, 45, 65, 90, 130 nm and above 130 nm"
    )
