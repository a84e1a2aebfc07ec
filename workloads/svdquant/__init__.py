"""Layers in four bits with a low-rank branch that takes the outliers (SVDQuant, arXiv 2411.05007)."""

from workloads.svdquant.compare import Comparison, compare
from workloads.svdquant.layer import LayerInput, Scheme, SplitLayer
from workloads.svdquant.search import Settings, split_layer

__all__ = ["Comparison", "LayerInput", "Scheme", "Settings", "SplitLayer", "compare", "split_layer"]
