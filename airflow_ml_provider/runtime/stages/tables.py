"""A page of tables, as Markdown and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

PAGE = "index.html"
_STYLE = (
    "body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }"
    "table { border-collapse: collapse }"
    "td, th { border-bottom: 1px solid #ddd; padding: .25rem .75rem; text-align: left }"
)

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A heading, the head of its columns, its rows."""


def write_tables(
    folder: Path, *, markdown: str, title: str, intro: str, tables: Sequence[Table], plot: tuple[str, str, str] | None
) -> None:
    """Write a page into a folder that is made, as ``index.html`` and as Markdown.

    Args:
        folder: Is made.
        markdown: The name of the Markdown file.
        title: The page's title.
        intro: One line below it.
        tables: The tables.
        plot: A heading, a file's name and an SVG image for the end of the page.
    """
    folder.mkdir(parents=True)
    lines = [f"# {title}", "", intro]
    parts = [f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>']
    parts += [f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>", f"<p>{escape(intro)}</p>"]
    for name, head, rows in tables:
        lines += ["", f"## {name}", "", _row(head), _row(["---"] * len(head)), *map(_row, rows)]
        cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        parts.append(f"<h2>{escape(name)}</h2><table><tr>{cells}</tr>{body}</table>")
    if plot is not None:
        heading, file, image = plot
        (folder / file).write_text(image, encoding="utf-8")
        lines += ["", f"## {heading}", "", f"![{heading.lower()}]({file})"]
        parts.append(f"<h2>{escape(heading)}</h2>{image[image.index('<svg') :]}")
    (folder / markdown).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / PAGE).write_text("".join([*parts, "</body></html>"]), encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"
