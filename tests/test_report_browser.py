"""The report in a real Chromium: sorting, filtering, opening an athlete, keyboard, phone, print, screen readers (axe).

Needs a Chromium: `apt install chromium`, or `.venv/bin/playwright install chromium`; without one these tests skip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from pypdf import PdfReader

from serving.report import WeeklyReport, build_report, render_html
from tests.report_browser import chromium
from tests.report_fixture import arguments

pytestmark = pytest.mark.slow
PHONE, LAPTOP, A4 = {"width": 390, "height": 844}, {"width": 1280, "height": 800}, {"width": 794, "height": 1123}
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        try:
            with chromium(driver) as opened:
                yield opened
        except FileNotFoundError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def report() -> WeeklyReport:
    return build_report(**arguments())


@pytest.fixture(scope="module")
def address(report: WeeklyReport, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_html(report), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with browser.new_context(viewport=LAPTOP) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        opened.goto(address)
        yield opened


def column(page: Page, key: str) -> list[str]:
    """The sort keys of a column of the squad table, in the order shown."""
    place = {"name": 1, "band": 2, "score": 3}[key]
    cells = page.locator(f"table.squad tbody tr > :nth-child({place})")
    return cells.evaluate_all("found => found.map(cell => cell.getAttribute('data-key'))")  # type: ignore[no-any-return]


def shown(page: Page) -> int:
    return page.locator("table.squad tbody tr:visible").count()


def test_a_header_sorts_by_its_column_one_way_and_the_other(page: Page, report: WeeklyReport) -> None:
    by_score = [str(row.probability) for row in report.rows]
    assert column(page, "score") == by_score
    header = page.locator("table.squad thead th").nth(2)
    header.get_by_role("button").click()
    assert column(page, "score") == by_score[::-1]
    assert header.get_attribute("aria-sort") == "ascending"
    header.get_by_role("button").click()
    assert column(page, "score") == by_score
    assert header.get_attribute("aria-sort") == "descending"


def test_a_header_is_reached_and_pressed_by_keyboard_alone(page: Page) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "button":
            break
    page.keyboard.press("Enter")
    assert column(page, "name") == sorted(column(page, "name"))
    page.keyboard.press("Space")
    assert column(page, "name") == sorted(column(page, "name"), reverse=True)


def test_a_word_and_a_band_filter_the_squad_and_the_count_is_announced(page: Page, report: WeeklyReport) -> None:
    status = page.get_by_role("status")
    assert status.text_content() == f"{len(report.rows)} of {len(report.rows)} athletes shown"
    name = report.rows[5].name
    page.get_by_role("searchbox", name="Show only rows with").fill(name.lower())
    assert shown(page) == 1
    assert status.text_content() == f"1 of {len(report.rows)} athletes shown"
    page.get_by_role("searchbox").fill("")
    lowest = sum(row.band.rank == 0 for row in report.rows)
    page.get_by_role("combobox", name="of band").select_option("Usual")
    assert shown(page) == lowest


def test_a_flagged_athlete_opens_from_the_first_page_by_mouse_and_by_keyboard(page: Page, report: WeeklyReport) -> None:
    anchor = report.flags[0].row.anchor
    link = page.locator(f"#attention a[href='#{anchor}']")
    link.click()
    assert page.url.endswith(f"#{anchor}")
    assert -1 <= page.locator(f"#{anchor}").bounding_box()["y"] < LAPTOP["height"]  # type: ignore[index]
    page.evaluate("location.hash = ''; scrollTo(0, 0)")
    link.focus()
    page.keyboard.press("Enter")
    assert page.url.endswith(f"#{anchor}")


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_any_athlete_opens_from_the_squad_table_by_mouse_and_by_keyboard(
    browser: Browser, address: str, report: WeeklyReport, size: Any
) -> None:
    others = [row for row in report.rows if not row.is_flagged]
    with browser.new_context(viewport=size) as context:
        page = context.new_page()
        page.goto(address)
        for row, open_link in ((others[4], Locator.click), (others[7], lambda link: link.press("Enter"))):
            link, part = page.locator(f"table.squad a[href='#{row.anchor}']"), page.locator(f"#{row.anchor}")
            assert not part.is_visible()
            open_link(link)
            part.wait_for(state="visible")
            name = page.locator(f"#title-{row.anchor}")
            assert name.text_content() == row.name
            assert 0 <= name.bounding_box()["y"] < size["height"] / 4  # type: ignore[index]


def test_a_browser_that_opens_no_folded_part_itself_is_helped(page: Page, report: WeeklyReport) -> None:
    """The script alone: the browser's own way to the place is taken from it."""
    anchor = report.rows[-1].anchor
    link = page.locator(f"table.squad a[href='#{anchor}']")
    link.evaluate("link => link.addEventListener('click', event => event.preventDefault())")
    link.click()
    assert page.locator(f"#{anchor}").is_visible()


def test_paper_holds_the_pages_of_the_flagged_alone(page: Page, report: WeeklyReport) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    page.emulate_media(media="print")
    assert page.locator("article.athlete:visible").count() == len(report.flags)
    assert page.locator("table.squad tbody a:visible").count() == len(report.flags)
    names = page.locator("table.squad tbody th").evaluate_all("found => found.map(cell => cell.innerText)")
    assert [name.split()[0] for name in names] == [row.name for row in report.rows]


def test_a_squad_of_forty_opens_within_a_second(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_html(build_report(**arguments(athletes=40, seed=5))), encoding="utf-8")
    taken = []
    with browser.new_context(viewport=LAPTOP) as context:  # type: ignore[arg-type]
        for _ in range(5):  # the quickest of five: what else the machine does is not asked
            page = context.new_page()
            page.goto(path.as_uri())
            taken.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventStart"))
            page.close()
    assert 0 < min(taken) < 1000


def test_the_first_press_of_tab_offers_to_skip_to_the_first_page(page: Page) -> None:
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.text_content() == "To the first page"
    assert focused.bounding_box()["x"] >= 0  # type: ignore[index]


def test_without_scripts_the_page_shows_everyone(browser: Browser, address: str, report: WeeklyReport) -> None:
    with browser.new_context(java_script_enabled=False, viewport=LAPTOP) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(address)
        assert page.locator("table.squad tbody tr").count() == len(report.rows)
        assert page.locator(".filter").count() == 0
        assert page.locator("article.athlete").count() == len(report.rows)
        last = report.rows[-1].anchor
        page.locator(f"table.squad a[href='#{last}']").click()
        page.locator(f"#{last} .timeline").first.wait_for(state="visible")


def test_paper_shows_everyone_and_no_controls(page: Page, report: WeeklyReport) -> None:
    page.get_by_role("searchbox").fill(report.rows[0].name)
    assert shown(page) == 1
    page.emulate_media(media="print")
    assert shown(page) == len(report.rows)
    assert not page.locator("nav").is_visible()
    assert not page.locator(".filter").is_visible()


def test_the_browser_prints_numbered_pages_of_a4(page: Page) -> None:
    printed = PdfReader(BytesIO(page.pdf(prefer_css_page_size=True, print_background=True)))
    assert [round(side) for side in printed.pages[0].mediabox[2:]] == [595, 842]
    assert f"1 / {len(printed.pages)}" in printed.pages[0].extract_text()


@pytest.mark.parametrize("size", [PHONE, A4, LAPTOP], ids=["phone", "A4", "laptop"])
def test_nothing_reaches_beyond_the_edge_of_phone_paper_or_laptop(browser: Browser, address: str, size: Any) -> None:
    with browser.new_context(viewport=size) as context:
        page = context.new_page()
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize(("size", "language"), [(PHONE, "en"), (LAPTOP, "de")], ids=["phone", "laptop"])
def test_axe_finds_no_violation(browser: Browser, size: Any, language: str) -> None:
    given = arguments(athletes=8)  # a small squad: axe looks at every cell
    settings = replace(given["settings"], language=language)
    with browser.new_context(viewport=size) as context:
        page = context.new_page()
        page.set_content(render_html(build_report(**{**given, "settings": settings})))
        page.locator(".folded summary").first.click()
        found = Axe().run(page, options={"runOnly": list(RULES), "resultTypes": ["violations"]}).response["violations"]
    assert [(each["id"], each["nodes"][0]["target"], len(each["nodes"])) for each in found] == []


def test_the_page_asks_the_network_for_nothing(browser: Browser, address: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address, wait_until="networkidle")
    assert asked == [address]


def test_every_picture_has_words_or_is_hidden_from_screen_readers(page: Page) -> None:
    bare = page.locator("svg:not([aria-hidden=true]):not([aria-label])")
    assert bare.count() == 0
    for name in ("Athlete", "Band", "Since last week"):
        assert page.locator("table.squad").get_by_role("columnheader", name=name).count() == 1
