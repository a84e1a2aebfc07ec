"""A small study for the tests of its page: two arrays, two buffers, a failure, areas and a simulation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from reports.exploration.design_point import DesignPoint
from reports.exploration.evaluate import evaluate
from reports.exploration.outcome import Area, PointOutcome, Verification
from reports.exploration.workload import StudyWorkload
from reports.study_page.header import StudyHeader

POINT = DesignPoint(
    (4, 4), (("m", "n"), ("oc", "ic"), ("k", "n")), "int8", 4096, 8.0, 50.0, 0.5, "28nm", "lpddr4", result_bits=8
)
WORKLOADS = (
    StudyWorkload("net", 1.0, (("gemm:m=20,n=24,k=32", 3), ("conv2d:n=1,oc=8,ic=8,h=10,w=10,kh=3,kw=3", 2))),
    StudyWorkload("<head> & tail", 0.5, (("gemm:m=1,n=33,k=20", 3), ("gemm:m=64,n=16,k=48", 1))),
)


@cache
def outcomes() -> tuple[PointOutcome, ...]:
    found = []
    for shape in ((4, 4), (8, 8)):
        for buffer_bytes in (2048, 8192):
            for bandwidth in (2.0, 16.0):
                point = replace(POINT, array=shape, buffer_bytes=buffer_bytes, bandwidth_gb_per_s=bandwidth)
                area = Area((("array", 900.0 * point.units), ("buffer", 1.1 * buffer_bytes)), "an area for a test")
                found.append(replace(evaluate(point, WORKLOADS), area=area))
    check = Verification("gemm:m=5,n=7,k=9", "m_n", True, 120, 120, "verilator")
    found[0] = replace(found[0], verifications=(check, replace(check, match=False, simulated_cycles=121)))
    return (*found, evaluate(replace(POINT, buffer_bytes=3), WORKLOADS))


def header() -> StudyHeader:
    return StudyHeader("small study", "Which array is best?", (("small & slow", outcomes()[0].point.key),))
