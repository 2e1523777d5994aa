"""Draws the figures as one SVG: each as a share of what it aims at."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

WIDTH, ROW, LEFT, RIGHT, TOP = 1000, 26, 360, 230, 64
MET, MISSED = "#2f7d4f", "#b4472e"
SHOWN = 2.0
"""Bars end at so many times the aim."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure, and what it should not pass. Both in `unit`."""

    name: str
    value: float
    aim: float
    unit: str
    beside: str = ""
    """What another was measured at in the same run."""

    @property
    def is_met(self) -> bool:
        """Whether it is within its aim."""
        return self.value <= self.aim


def draw(bars: list[Bar], title: str, path: Path) -> None:
    """Write the picture; the line in its middle is the aim of every bar."""
    height = TOP + ROW * len(bars) + 16
    size = {"width": str(WIDTH), "height": str(height), "viewBox": f"0 0 {WIDTH} {height}"}
    svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
    ET.SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    _text(svg, 16, 26, title, size=15)
    _text(svg, LEFT + _width(1.0), 50, "aim", anchor="middle")
    for number, bar in enumerate(bars):
        _bar(svg, bar, TOP + ROW * number)
    aim_x = str(LEFT + _width(1.0))
    line = {"x1": aim_x, "x2": aim_x, "y1": str(TOP - 8), "y2": str(height - 12)}
    ET.SubElement(svg, "line", {**line, "stroke": "black", "stroke-dasharray": "3 3"})
    path.write_text(ET.tostring(svg, encoding="unicode") + "\n")


def _bar(svg: ET.Element, bar: Bar, y: int) -> None:
    share = bar.value / bar.aim if bar.aim else SHOWN * bool(bar.value)
    length = _width(min(share, SHOWN))
    _text(svg, LEFT - 10, y + 15, bar.name, anchor="end")
    box = {"x": str(LEFT), "y": str(y + 3), "width": f"{max(length, 1):.1f}", "height": "16"}
    ET.SubElement(svg, "rect", {**box, "fill": MET if bar.is_met else MISSED})
    said = f"{bar.value:g} of {bar.aim:g} {bar.unit}".rstrip() + (bar.beside and f"; {bar.beside}")
    _text(svg, LEFT + max(length, _width(1.0)) + 8, y + 15, said)


def _width(share: float) -> float:
    return share / SHOWN * (WIDTH - LEFT - RIGHT)


def _text(
    svg: ET.Element, x: float, y: float, text: str, *, size: int = 12, anchor: str = "start"
) -> None:
    style = {"font-family": "sans-serif", "font-size": str(size), "text-anchor": anchor}
    ET.SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", **style}).text = text
