"""Benchmarks: what this machine can do with the product's own parts, beside what the machine itself can do.

Each takes a `Ground` (a folder of its own, and a way to start the sandbox bank) and returns its figures. A figure is
compared with another of the same run, never with one of another machine.
"""

from gateway.bench.catalogue import BENCHMARKS, Benchmark
from gateway.bench.ground import CannotMeasure, Figure, Figures, Ground

__all__ = ["BENCHMARKS", "Benchmark", "CannotMeasure", "Figure", "Figures", "Ground"]
