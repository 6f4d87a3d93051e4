"""The world's chance: for the same seed and the same question always the same throw.

Nothing depends on how time is cut into steps, on a process that was restarted, or on ids that are made anew.
"""

import random


def dice(seed: int, *question: str | int) -> random.Random:
    """The dice that belong to a question.

    >>> dice(7, "fridge", 3).random() == dice(7, "fridge", 3).random() != dice(8, "fridge", 3).random()
    True
    """
    return random.Random("\x1f".join(map(str, (seed, *question))))  # noqa: S311 — a pretend world, no secret
