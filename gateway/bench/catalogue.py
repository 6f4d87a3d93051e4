"""The benchmarks there are, by name, in the order of the river."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.bench.claim import measure_claim
from gateway.bench.ground import Figures, Ground


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is measured, in a sentence, and how."""

    title: str
    run: Callable[[Ground], Figures]


BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "claim": Benchmark("What it costs a worker to find its next work", measure_claim),
    }
)
