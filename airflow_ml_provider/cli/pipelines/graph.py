"""``airflow-ml graph``: the stages of a pipeline as a picture."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from html import escape

from airflow_ml_provider.spec.order import in_order
from airflow_ml_provider.spec.pipeline import PipelineSpec

BOX_WIDTH, BOX_HEIGHT = 168, 44
GAP_X, GAP_Y = 64, 24
MARGIN = 16


class Picture(StrEnum):
    """What kind of picture."""

    MERMAID = "mermaid"
    SVG = "svg"


def mermaid(spec: PipelineSpec) -> str:
    """Return a flowchart for Mermaid (https://mermaid.js.org), which GitHub shows in Markdown."""
    order = in_order(spec)
    lines = ["flowchart LR", *(f'    {name}["{name}<br/>{spec.stages[name].kind}"]' for name in order)]
    for source, target, label in _edges(spec):
        arrow = f"-- {label} -->" if label else "-.->"
        lines.append(f"    {source} {arrow} {target}")
    return "\n".join(lines) + "\n"


def svg(spec: PipelineSpec) -> str:
    """Return a drawing: a column a step, a box a stage, dashed lines where no data flows."""
    places = _places(spec)
    width = MARGIN * 2 + max(x for x, _ in places.values()) + BOX_WIDTH
    height = MARGIN * 2 + max(y for _, y in places.values()) + BOX_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f"<title>{escape(spec.pipeline)}</title>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>',
    ]
    for source, target, label in _edges(spec):
        (x1, y1), (x2, y2) = places[source], places[target]
        start, end = MARGIN + x1 + BOX_WIDTH, MARGIN + x2
        top, bottom = MARGIN + y1 + BOX_HEIGHT // 2, MARGIN + y2 + BOX_HEIGHT // 2
        bend = max(24, (end - start) // 2)
        dashed = "" if label else ' stroke-dasharray="4 3"'
        parts.append(
            f'<path d="M{start} {top}C{start + bend} {top} {end - bend} {bottom} {end} {bottom}" fill="none" '
            f'stroke="#667"{dashed} marker-end="url(#end)"><title>{escape(label or "needs")}</title></path>'
        )
    for name, (x, y) in places.items():
        left, top = MARGIN + x, MARGIN + y
        middle = left + BOX_WIDTH // 2
        parts.append(
            f'<rect x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="#eef4fb" '
            f'stroke="#4a7ebb"/><text x="{middle}" y="{top + 19}" text-anchor="middle" font-weight="600">'
            f'{escape(_short(name))}</text><text x="{middle}" y="{top + 35}" text-anchor="middle" fill="#556" '
            f'font-size="11">{escape(spec.stages[name].kind)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _edges(spec: PipelineSpec) -> Iterator[tuple[str, str, str]]:
    """Return every edge with the outputs that go along it, empty where only the order counts."""
    for name in in_order(spec):
        carried: dict[str, list[str]] = {other: [] for other in sorted(spec.upstream(name))}
        for reference in spec.stages[name].references().values():
            if reference.stage in carried and reference.output not in carried[reference.stage]:
                carried[reference.stage].append(reference.output)
        for other, outputs in carried.items():
            yield other, name, ", ".join(outputs)


def _places(spec: PipelineSpec) -> dict[str, tuple[int, int]]:
    """Return the upper left corner of each stage's box; a stage stands right of all that it waits for."""
    columns: dict[str, int] = {}
    for name in in_order(spec):
        columns[name] = 1 + max((columns[other] for other in spec.upstream(name)), default=-1)
    taken: dict[int, int] = {}
    places = {}
    for name, column in columns.items():
        row = taken.get(column, 0)
        taken[column] = row + 1
        places[name] = (column * (BOX_WIDTH + GAP_X), row * (BOX_HEIGHT + GAP_Y))
    return places


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"
