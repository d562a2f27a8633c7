"""The pictures of docs/staff.md and README.md, from the report of a demo.

    .venv/bin/python -m docs.pictures demo/store/reports/strainwatch-2025-04-21.html

Needs a Chromium, as tests/test_report_browser.py does.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.report_browser import chromium

HERE = Path(__file__).parent
COLOURS = 128
"""Enough for text, bars and tints; a picture is then a third of the size."""


def main(report: Path) -> None:
    with sync_playwright() as driver, chromium(driver) as browser:
        page = browser.new_page(viewport={"width": 1120, "height": 900}, device_scale_factor=1.25)
        page.goto(report.resolve().as_uri())
        save(page, "report.png", "header.top", "#attention article:nth-of-type(2)")
        save(page, "report-card.png", "#attention article:nth-of-type(1)")
        save(page, "report-squad.png", "#squad h2", "table.squad tbody tr:nth-child(6)")
        save(page, "report-athlete.png", "article.athlete:nth-of-type(1) header", "article.athlete:nth-of-type(1) .two")
        save(page, "report-made-of.png", "article.athlete:nth-of-type(1) table.factors")
        save(page, "report-outcomes.png", "#outcomes h2", "#outcomes table")
        page.set_viewport_size({"width": 390, "height": 780})
        page.evaluate("scrollTo(0, document.querySelector('#attention').offsetTop - 10)")
        write("report-phone.png", page.screenshot())


def save(page: Page, name: str, first: str, last: str | None = None) -> None:
    """A picture of the page from the top of one element to the bottom of another."""
    boxes = [page.locator(each).first.bounding_box() for each in (first, last or first)]
    top, bottom = (box for box in boxes if box is not None)
    scrolled = page.evaluate("scrollY")
    width = page.viewport_size["width"] if page.viewport_size else 1120
    height = bottom["y"] + bottom["height"] - top["y"]
    area = {"x": 0, "y": top["y"] + scrolled - 6, "width": width, "height": height + 14}
    write(name, page.screenshot(full_page=True, clip=area))  # type: ignore[arg-type]


def write(name: str, picture: bytes) -> None:
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        HERE / name, optimize=True
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
