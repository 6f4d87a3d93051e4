"""Finds what is due in the rows of work, leases it and runs it; calls to the outside go out side by side."""

from gateway.worker.calls import Calls
from gateway.worker.rounds import BATCH, SHARE_PER_HOUSEHOLD, Round, Worker

__all__ = ["BATCH", "SHARE_PER_HOUSEHOLD", "Calls", "Round", "Worker"]
