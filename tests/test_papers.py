"""The paper, row by row: nothing of it is passed over, and what is quoted of our pages stands there."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAPER = {f"Figure {number}" for number in (*range(1, 14), *(f"S{number}" for number in range(1, 8)))} | {
    "Table 1"
}
"""As readers list them: what the paper has, main text and supplement."""
REPORT = {f"Figure {number}" for number in range(1, 16)}
"""Of "Breaking CNNs - MNIST Dataset", as its own list of figures has them."""
DOCUMENTS = ("Stack Exchange", "Stack Overflow", "README", "Breaking CNNs")
INTERVAL = re.compile(r"-?\d+(?:\.\d+)? ± \d+(?:\.\d+)?")


def tables() -> list[list[list[str]]]:
    """Of the section, each a list of rows of cells, without the head."""
    page = (DOCS / "papers.md").read_text()
    section = page.split("## The paper, row by row\n")[1].split("\n## ")[0]
    return [
        [[cell.strip() for cell in row.strip("|\n").split("|")] for row in table.strip().split("\n")[2:]]
        for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    ]


def listed(rows: list[list[str]]) -> list[str]:
    """The figures and tables that the first cells name."""
    named = []
    for row in rows:
        kinds = re.findall(r"(Figure|Table)s? ((?:S?\d+(?:, )?)+)", row[0])
        named += [f"{kind} {number}" for kind, numbers in kinds for number in re.findall(r"S?\d+", numbers)]
    return named


def test_every_figure_and_table_has_one_row():
    paper, others = tables()
    assert sorted(listed(paper)) == sorted(PAPER)
    assert sorted(listed(others)) == sorted(REPORT)
    for document in DOCUMENTS:
        assert any(document in row[0] for row in others), document


def test_every_row_says_what_came_of_it():
    for row in (row for table in tables() for row in table):
        assert len(row) == 4, row
        here, result = row[2:]
        assert result or "not yet" in here or "cannot be here" in here, row
        assert "not yet" in here + result or "cannot be here" in here or "(" in here or "same" in here, row


def test_intervals_that_are_quoted_stand_in_the_pages_that_are_linked():
    quoted = 0
    for rows in tables():
        page = ""
        for row in rows:
            if link := re.search(r"\]\((studies/[\w-]+\.md)\)", row[2]):
                page = (DOCS / link[1]).read_text()
            for interval in INTERVAL.findall(row[3]):
                assert interval in page, f"{row[0]}: {interval}"
                quoted += 1
    assert quoted >= 15
