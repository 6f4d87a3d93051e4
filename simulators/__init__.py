"""Pretend appliances, a pretend shop and a pretend bank, on real protocols, each its own process.

`python -m simulators appliances|devices|shop|bank …`. They import `devices` and nothing else of ours, and nothing
imports them: the command line starts them as processes.
"""
