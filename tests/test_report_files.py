"""The report as CSV, workbook and PDF, and the order of `strainwatch report`: the same content in each."""

from __future__ import annotations

import csv
import io
import math
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from configs.errors import NotReady, WrongArgument
from pipelines.weekly import formats_of
from serving.report import WeeklyReport, build_report, render_html
from serving.report.pdf import render_pdf
from serving.report.sheet import render_csv, render_xlsx
from tests.report_fixture import arguments
from tests.squad import MONDAYS, Squad, strainwatch

DAY = "2025-06-02"


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    return arguments(athletes=12)


@pytest.fixture(scope="module")
def report(given: dict[str, Any]) -> WeeklyReport:
    return build_report(**given)


def lines(report: WeeklyReport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(report).decode("utf-8-sig"), newline="")))


def cells(report: WeeklyReport) -> Any:
    return load_workbook(io.BytesIO(render_xlsx(report)))


def test_the_csv_has_a_row_per_athlete_the_flagged_first(report: WeeklyReport) -> None:
    rows = lines(report)
    assert len(rows) == len(report.rows) + len(report.not_scored)
    first = rows[: len(report.flags)]
    assert [row["Athlete"] for row in first] == [flag.row.name for flag in report.flags]
    places = [row["Place on the first page"] for row in rows]
    assert places == [str(place) for place, _ in enumerate(first, start=1)] + [""] * (len(rows) - len(first))
    assert [row["What moves the score most"] for row in first] == [flag.sentence for flag in report.flags]
    assert [row["Band"] for row in first] == [flag.row.band.label for flag in report.flags]


def test_the_csv_gives_iso_days_and_the_reason_of_who_was_not_scored(report: WeeklyReport) -> None:
    rows = lines(report)
    assert {row["Day"] for row in rows} == {DAY}
    last = rows[-len(report.not_scored) :]
    told = [(row["Athlete"], row["Not scored, or not by the model: why"].lower()) for row in last]
    assert told == [(item.name, item.reason.lower()) for item in report.not_scored]
    assert {row["Band"] for row in last} == {""}
    assert {row["Squad"] for row in last} == {row["Squad"] for row in rows} != {""}


@pytest.mark.parametrize("name", ["=1+1", "+A1", "-2", "@SUM(A1)", "\t=1"])
def test_a_name_that_looks_like_a_formula_stays_a_name(report: WeeklyReport, name: str) -> None:
    first, *others = report.rows
    found = replace(report, flags=(), rows=(replace(first, name=name), *others))
    row = next(row for row in lines(found) if row["Athlete"].endswith(name))
    assert row["Athlete"] == f"'{name}"
    names = (row[0] for row in cells(found).worksheets[0].iter_rows(min_row=2))
    cell = next(cell for cell in names if cell.value.endswith(name.strip()))
    assert (cell.data_type, cell.quotePrefix) == ("s", True)


def test_the_workbook_has_typed_days_and_shares_and_says_when_not_to_trust_it(report: WeeklyReport) -> None:
    book = cells(report)
    table, about = book.worksheets
    header = [cell.value for cell in table[1]]
    row = dict(zip(header, table[2], strict=True))
    assert row["Day"].value == datetime.fromisoformat(DAY)
    assert row["Day"].number_format == "yyyy-mm-dd"
    missing = row["Measurements missing (share)"]
    assert missing.value == pytest.approx(report.flags[0].row.share_missing, abs=1e-6)
    assert missing.number_format == "0.00%"
    empty = table.cell(table.max_row, 5)  # the band of somebody who was not scored
    assert (empty.value, empty.data_type) == (None, "n")
    assert (table.freeze_panes, table.max_row) == ("B2", 1 + len(report.rows) + len(report.not_scored))
    told = [cell.value for cell in about["A"]]
    assert report.week in told
    assert set(report.cautions) <= set(told)


def test_the_table_gives_shares_only_where_the_report_tells_percentages(report: WeeklyReport) -> None:
    told, bands = (replace(report, shows_percent=shows) for shows in (True, False))
    score = "Score, 7 days (share)"
    assert float(lines(told)[0][score]) == pytest.approx(report.flags[0].row.probability, abs=1e-6)
    assert score not in lines(bands)[0]
    assert lines(bands)[0]["Score, 7 days"].lower() == report.told(report.flags[0].row, 7).lower()
    assert {len(row) for row in csv.reader(io.StringIO(render_csv(bands).decode("utf-8-sig")))} == {16}
    assert {len(row) for row in csv.reader(io.StringIO(render_csv(told).decode("utf-8-sig")))} == {19}


def test_the_odds_against_the_squad_are_a_number_in_the_workbook(report: WeeklyReport) -> None:
    table = cells(report).worksheets[0]
    place = [cell.value for cell in table[1]].index("Odds as a multiple of the squad's middle score today")
    cell = table[2][place]
    odds = report.flags[0].row.comparison.squad_odds
    assert cell.number_format == "0.00"
    assert cell.value is None if math.isnan(odds) else cell.value == pytest.approx(odds)


def test_the_same_report_gives_the_same_csv_and_the_same_cells(report: WeeklyReport) -> None:
    assert render_csv(report) == render_csv(report)
    first, second = ([[cell.value for cell in row] for row in cells(report).worksheets[0]] for _ in range(2))
    assert first == second


def test_the_german_table_has_german_words_and_the_same_figures(given: dict[str, Any], report: WeeklyReport) -> None:
    german = build_report(**{**given, "settings": replace(given["settings"], language="de")})
    rows, english = lines(german), lines(report)
    assert [row["Person"] for row in rows] == [row["Athlete"] for row in english]
    missing = [row["Measurements missing (share)"] for row in english]
    assert [row["Fehlende Messwerte (Anteil)"] for row in rows] == missing
    assert {row["Stufe"] for row in rows} <= {"Üblich", "Erhöht", "Hoch", ""}


@pytest.mark.slow
def test_the_pdf_says_what_the_html_says_on_numbered_pages_of_a4(report: WeeklyReport) -> None:
    read = PdfReader(io.BytesIO(render_pdf(render_html(report))))
    pages = [page.extract_text() for page in read.pages]
    assert [round(side) for side in read.pages[0].mediabox[2:]] == [595, 842]
    for place, text in enumerate(pages, start=1):
        assert f"{place} / {len(pages)}" in text
        assert "Decision support, not diagnosis" in text
    joined = " ".join(" ".join(pages).replace("\u00a0", " ").split())
    for flag in report.flags:
        assert " ".join(flag.sentence.split()) in joined
    assert all(caution in joined for caution in report.cautions)
    assert "Session load (AU a day)" in joined
    assert joined.count("The measurements behind it") == len(report.flags)
    links = [link.get_object() for page in read.pages for link in page.get("/Annots", [])]
    assert {link.get("/Dest") for link in links} == {flag.row.anchor for flag in report.flags}


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_first_sheet_holds_three_athletes_in_letters_of_nine_points_or_more(language: str) -> None:
    given = arguments(athletes=30, auroc=(0.56, 0.47, 0.65))
    settings = replace(given["settings"], language=language)
    report = build_report(**{**given, "settings": settings})
    found: list[tuple[str, float]] = []
    PdfReader(io.BytesIO(render_pdf(render_html(report)))).pages[0].extract_text(
        visitor_text=lambda text, outer, inner, _font, size: found.append((text, abs(size * outer[3] * inner[3])))
    )
    text = "".join(part for part, _size in found)
    assert [flag.row.name in text for flag in report.flags] == [True] * 3
    assert min(size for part, size in found if part.strip()) >= 8.99


def test_without_its_renderer_a_pdf_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "plutoprint", None)
    with pytest.raises(NotReady, match=r"pip install 'strainwatch\[pdf\]'"):
        render_pdf("<p>x</p>")


def test_a_pdf_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><text>secret</text></svg>")
    page = render_pdf(f'<p>text</p><img src="file://{tmp_path}/secret.svg">')
    assert PdfReader(io.BytesIO(page)).pages[0].extract_text().strip() == "text"


@pytest.mark.parametrize(("text", "formats"), [
    ("html", ("html",)), ("html, PDF,html", ("html", "pdf")), ("mail,csv,xlsx", ("mail", "csv", "xlsx")),
])  # fmt: skip
def test_formats_are_a_list_each_once(text: str, formats: tuple[str, ...]) -> None:
    assert formats_of(text) == formats


@pytest.mark.parametrize(("text", "wrong"), [("html,docx", "'docx' is not known"), (" , ", "nothing is given")])
def test_an_unknown_format_is_named_with_those_that_there_are(text: str, wrong: str) -> None:
    with pytest.raises(WrongArgument, match=f"--format: {wrong}. Give some of html,pdf,csv,xlsx,mail."):
        formats_of(text)


MAIL = """
[delivery]
host = "mail.invalid"
from = "sw@club.example"
to = ["physio@club.example"]
attach = ["csv"]
"""


@pytest.mark.slow
def test_an_order_writes_each_format_and_a_dry_run_sends_nothing(own_squad: Squad, tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[1] / "configs" / "report.toml").read_text(encoding="utf-8")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "report.toml").write_text(shipped.split("[delivery]")[0] + MAIL, encoding="utf-8")
    ran = strainwatch(
        "report", "--store", own_squad.path, "--as-of", MONDAYS[0], "--out", tmp_path / "out", "--language", "de",
        "--format", "html,csv,mail", "--dry-run", "--configs", tmp_path / "configs",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert [Path(line).suffix for line in ran.out.split()] == [".html", ".csv", ".eml"]
    html, table, mail = (Path(line) for line in ran.out.split())
    assert '<html lang="de">' in html.read_text(encoding="utf-8")
    message = message_from_bytes(mail.read_bytes(), policy=policy.default)
    assert message["To"] == "physio@club.example"
    assert isinstance(message, EmailMessage)
    assert [part.get_payload(decode=True) for part in message.iter_attachments()] == [table.read_bytes()]


@pytest.mark.slow
def test_a_report_of_scores_that_their_explanations_miss_is_not_written(own_squad: Squad, tmp_path: Path) -> None:
    own_squad.score(MONDAYS[0])
    with closing(sqlite3.connect(own_squad.path / "strainwatch.db")) as database, database:
        database.execute("UPDATE predictions SET log_odds = log_odds + 1e-5 WHERE horizon_days = 14")
    ran = strainwatch("report", "--store", own_squad.path, "--as-of", MONDAYS[0], "--out", tmp_path / "out")
    assert (ran.code, ran.out) == (8, "")
    assert "explanations of the stored scores miss its score by 1e-05 log-odds" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("extra", "code", "said"), [
    (["--format", "mail"], 5, "mail is not set up: fill host, from and to"),
    (["--format", "odt"], 2, "--format: 'odt' is not known"),
    (["--language", "fr"], 2, "--language: the report is not available in 'fr'. Available: en, de"),
])  # fmt: skip
def test_a_wrong_order_ends_before_any_work(squad: Squad, extra: list[str], code: int, said: str) -> None:
    ran = strainwatch("report", "--store", squad.path, *extra)
    assert ran.code == code
    assert said in ran.err
