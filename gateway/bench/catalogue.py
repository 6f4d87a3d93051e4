"""The benchmarks there are, by name, in the order of the river."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.bench.ground import Figures, Ground
from gateway.bench.intake import measure_intake
from gateway.bench.payments import measure_payments
from gateway.bench.river import measure_river


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is measured, in a sentence, and how."""

    title: str
    run: Callable[[Ground], Figures]


BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "intake": Benchmark("Messages taken in by the embedded broker", measure_intake),
        "river": Benchmark("From messages to forecasts", measure_river),
        "payments": Benchmark("Debits at the sandbox bank, and what it costs to find the next work", measure_payments),
    }
)
