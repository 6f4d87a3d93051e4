"""Finds what is due in the rows of work, leases it and runs it."""

from gateway.worker.rounds import ADVICE, BATCH, SHARE_PER_HOUSEHOLD, Round, Worker

__all__ = ["ADVICE", "BATCH", "SHARE_PER_HOUSEHOLD", "Round", "Worker"]
