"""`python -m simulators NAME …`: hand the arguments to the simulator of that name."""

import importlib
import sys

# Loaded only when asked for: a bank has no use for what an appliance needs.
_SIMULATORS = {
    "appliances": "simulators.appliances",
    "bank": "simulators.bank",
    "devices": "simulators.fleet",
    "sepa-bank": "simulators.sepa_bank",
    "shop": "simulators.shop",
    "vrp-bank": "simulators.vrp_bank",
}


def main(argv: list[str]) -> int:
    """Run one simulator; returns its exit status, or 2 when there is none of that name."""
    if not argv or argv[0] not in _SIMULATORS:
        sys.stderr.write(f"usage: python -m simulators {'|'.join(sorted(_SIMULATORS))} …\n")
        return 2
    name, *rest = argv
    status: int | None = importlib.import_module(_SIMULATORS[name]).main(rest)
    return status or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
