"""The command line: `replenish …`. One file for each group of commands; every failure is one clear sentence."""

from gateway.cli.app import app, main

__all__ = ["app", "main"]
