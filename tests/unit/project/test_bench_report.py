"""How the figures of a benchmark are written down."""

import runpy
from pathlib import Path

REPORT = runpy.run_path(str(Path(__file__).resolve().parents[3] / "scripts" / "bench_report.py"))


def test_texts_come_before_the_table_and_every_number_is_a_row() -> None:
    result = {"title": "Claims", "what": "A worker claims.", "disk": "fast", "ms_a_claim": 4.5678, "rows": 100_000}
    assert REPORT["section"]("claim", result) == (
        "## claim\n\nClaims\n\nA worker claims.\n\ndisk: fast\n\n"
        "| figure | value |\n| --- | ---: |\n| ms a claim | 4.57 |\n| rows | 100,000 |\n"
    )


def test_what_stands_inside_is_named_after_what_holds_it() -> None:
    leaves = list(REPORT["flatten"]({"rounds": [{"messages_a_second": 1}, {"messages_a_second": 2}]}))
    assert leaves == [("rounds, 1, messages a second", 1), ("rounds, 2, messages a second", 2)]


def test_a_figure_has_three_places_below_a_thousand_and_thousands_apart_above() -> None:
    assert [REPORT["figure"](value) for value in (0.012345, 98.76, 12_345.6, 7, True)] == [
        "0.0123",
        "98.8",
        "12,346",
        "7",
        "yes",
    ]


def test_the_report_says_when_where_and_beside_what_it_was_measured() -> None:
    assert [name for name, _ in REPORT["machine"]()] == [
        "date",
        "code",
        "processor",
        "memory",
        "system",
        "Python",
        "processes that ran or waited before",
    ]
