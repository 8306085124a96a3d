"""A study's report in Markdown: built up in the order it is read."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from qdfool.files.atomic import atomic_write


class Named(NamedTuple):
    """Something that a document names, and what became of it."""

    what: str
    """The system, operator, constant or condition, in the document's words."""
    here: str
    """Its value or reading here, and why where the document is ambiguous or we differ."""
    where: str
    """The file and the function, or the option, that has it."""


class Report:
    """Sections, tables and pictures, one after the other."""

    def __init__(self, title: str) -> None:
        self._blocks = [f"# {title}"]
        self.pictures: list[str] = []
        """File names of the pictures shown, without folder."""

    def section(self, title: str) -> None:
        """Begins a section."""
        self._blocks.append(f"## {title}")

    def text(self, *paragraphs: str) -> None:
        """Adds paragraphs; each may be Markdown of its own, such as a list."""
        self._blocks += paragraphs

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Adds a table; the first column is aligned left, the others right.

        Raises:
            ValueError: a row is longer or shorter than the header.
        """
        lines = [_row(header), _row([":--", *["--:"] * (len(header) - 1)])]
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"A row of {len(header)} cells was expected; got {list(row)!r}.")
            lines.append(_row(row))
        self._blocks.append("\n".join(lines))

    def named(self, rows: Sequence[Named] | Path) -> None:
        """Adds the section that lists everything that the document names, with where it is.

        Args:
            rows: the list, or a Markdown file that has it as a table.
        """
        self.section("What the document names, and where it is")
        if isinstance(rows, Path):
            self._blocks.append(rows.read_text().rstrip())
            return
        lines = [_row(["in the document", "here", "where"]), _row([":--"] * 3)]
        self._blocks.append("\n".join([*lines, *(_row(row) for row in rows)]))

    def code(self, text: str) -> None:
        """Adds a block of text as it is."""
        self._blocks.append(f"```\n{text.rstrip()}\n```")

    def picture(self, path: Path, caption: str) -> None:
        """Adds a picture, which lies in the folder that the report is written to, with its caption."""
        self.pictures.append(path.name)
        self._blocks.append(f"![{caption}]({{pictures}}{path.name})\n\n*{caption}*")

    def write(self, path: Path, pictures: str = "") -> None:
        """Writes the report, whole or not at all.

        Args:
            path: the Markdown file.
            pictures: what stands before the names of the pictures, such as `folder/`.
        """
        text = "\n\n".join(self._blocks).replace("{pictures}", pictures) + "\n"
        with atomic_write(path) as file:
            file.write(text.encode())


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
