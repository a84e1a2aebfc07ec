"""Nests, formats, guards, and the interpreter that defines what is right."""

from workloads.errors import BrickworkError
from workloads.interpreter import run, run_points
from workloads.nest import Nest
from workloads.spec import Spec, load
from workloads.workload import Workload
from workloads.workload_spec import WorkloadSpec, load_workload

__all__ = ["BrickworkError", "Nest", "Spec", "Workload", "WorkloadSpec", "load", "load_workload", "run", "run_points"]
