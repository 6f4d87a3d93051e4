"""Sets of sequence numbers (counted, lost, committed) as sorted, disjoint, closed ranges `(first, last)`."""

from collections.abc import Iterable, Sequence

Range = tuple[int, int]
Ranges = tuple[Range, ...]


def normalize(ranges: Iterable[Range]) -> Ranges:
    """Sorted, with overlapping and touching ranges joined.

    >>> normalize([(5, 7), (1, 2), (3, 3), (6, 9)])
    ((1, 3), (5, 9))
    """
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if first > last:
            raise ValueError(f"a range runs upward, not from {first} to {last}")
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def collapse(numbers: Iterable[int]) -> Ranges:
    """The ranges that hold exactly these numbers.

    >>> collapse([1042, 1040, 1041, 1045])
    ((1040, 1042), (1045, 1045))
    """
    return normalize((number, number) for number in numbers)


def contains(ranges: Sequence[Range], number: int) -> bool:
    """Whether the number lies in one of the ranges."""
    return any(first <= number <= last for first, last in ranges)


def add(ranges: Sequence[Range], number: int) -> Ranges:
    """The ranges with one number more."""
    return normalize((*ranges, (number, number)))


def union(left: Iterable[Range], right: Iterable[Range]) -> Ranges:
    """All that is in either."""
    return normalize((*left, *right))


def subtract(ranges: Iterable[Range], taken: Iterable[Range]) -> Ranges:
    """What is left of the first when the second is taken out.

    >>> subtract([(1, 10)], [(3, 4), (9, 20)])
    ((1, 2), (5, 8))
    """
    left = list(normalize(ranges))
    for first, last in normalize(taken):
        pieces: list[Range] = []
        for start, end in left:
            if end < first or start > last:
                pieces.append((start, end))
                continue
            if start < first:
                pieces.append((start, first - 1))
            if end > last:
                pieces.append((last + 1, end))
        left = pieces
    return tuple(left)


def count(ranges: Iterable[Range]) -> int:
    """How many numbers the ranges hold.

    >>> count([(1, 3), (7, 7)])
    4
    """
    return sum(last - first + 1 for first, last in normalize(ranges))
