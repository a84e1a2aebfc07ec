"""Area of a generated array from what it consists of, without synthesis."""

from hw.estimate.area import AreaEstimate, calibrated, calibrated_components, estimate_area, scaled
from hw.estimate.memory import memory_area_um2
from hw.estimate.table import AreaTable, EstimateError

__all__ = [
    "AreaEstimate",
    "AreaTable",
    "EstimateError",
    "calibrated",
    "calibrated_components",
    "estimate_area",
    "memory_area_um2",
    "scaled",
]
