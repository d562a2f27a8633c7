"""The report as a table for a spreadsheet: one row per athlete, saying what the first page and the squad table say."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from datetime import date as Date
from typing import Any

from serving.report.content import Account, AthleteRow, WeeklyReport
from serving.report.language import _, ngettext, speaking
from serving.report.wording import as_title

Cell = str | float | Date | None
SHARE, ODDS = "0.00%", "0.00"
STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A text that begins so is taken for a formula by spreadsheets; a name or note must not become one."""


def render_csv(report: WeeklyReport) -> bytes:
    """Comma-separated UTF-8 with the mark that Excel needs; dates as ISO, shares as decimals, in every language."""
    with speaking(report.settings.language, report.settings.own_words):
        lines = [[_as_text(cell) for cell in line] for line in _lines(report)]
    file = io.StringIO(newline="")
    csv.writer(file).writerows(lines)
    return file.getvalue().encode("utf-8-sig")


def render_xlsx(report: WeeklyReport) -> bytes:
    """A workbook: the table with typed dates and shares, and a sheet on what it is and when not to trust it."""
    from openpyxl import Workbook

    with speaking(report.settings.language, report.settings.own_words):
        book = Workbook()
        _fill(book.active, report)
        _explain(book.create_sheet(_("About")), report)
        book.properties.creator, book.properties.title = "Strainwatch", f"{report.title}, {report.week}"
    # Excel's own times of creation would make the same report differ from one minute to the next.
    book.properties.created = book.properties.modified = report.as_of.to_pydatetime().replace(tzinfo=None)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _lines(report: WeeklyReport) -> list[list[Cell]]:
    return [[*_header(report)], *_rows(report)]


def _header(report: WeeklyReport) -> list[str]:
    days = report.settings.horizon_days
    shares = [
        ngettext("Score, {n} day (share)", "Score, {n} days (share)", days),
        _("Interval from (share)"),
        _("Interval to (share)"),
    ]
    return [
        _("Athlete"),
        _("Squad"),
        _("Day"),
        _("Place on the first page"),
        _("Band"),
        ngettext("Score, {n} day", "Score, {n} days", days),
        *(shares if report.shows_percent else []),
        _("Odds as a multiple of the squad's middle score today"),
        _("Since last week"),
        _("What moves the score most"),
        _("Check first"),
        _("Fixed facts"),
        _("Injuries in two years"),
        _("Confidence"),
        _("Notes"),
        _("Measurements missing (share)"),
        _("Not scored, or not by the model: why"),
    ]


def _rows(report: WeeklyReport) -> Iterator[list[Cell]]:
    """The flagged in the order of the first page, the others by score, then those who were not scored."""
    flags = {flag.row.athlete_id: (place, flag) for place, flag in enumerate(report.flags, start=1)}
    day = report.date.date()
    ordered = [*(flag.row for flag in report.flags), *(row for row in report.rows if row.athlete_id not in flags)]
    for row in ordered:
        place, flag = flags.get(row.athlete_id, (None, None))
        yield [row.name, row.squad, day, place, *_score(report, row), *_reasons(row, flag)]
    between = len(_header(report)) - 4
    for item in report.not_scored:
        yield [item.name, item.squad, day, *[None] * between, as_title(item.reason)]


def _score(report: WeeklyReport, row: AthleteRow) -> list[Cell]:
    """Band and score; shares only where the report tells percentages."""
    shares: list[Cell] = [_figure(each) for each in (row.probability, row.lower, row.upper)]
    told = as_title(report.told(row, report.settings.horizon_days))
    odds = row.comparison.squad_odds
    return [row.band.label, told, *(shares if report.shows_percent else []), None if math.isnan(odds) else _Odds(odds)]


def _reasons(row: AthleteRow, flag: Account | None) -> list[Cell]:
    return [
        as_title(row.change.text),
        flag.sentence if flag else "; ".join(f"{share.name}: {share.leading.text}" for share in row.named),
        " ".join(check.prompt for check in flag.checks) if flag else "",
        as_title("; ".join(flag.fixed)) if flag else "",
        as_title("; ".join(flag.injuries)) if flag else "",
        f"{as_title(_(row.confidence.grade))}. {row.confidence.details}",
        _notes(row),
        _figure(row.share_missing),
        as_title(row.by_history),
    ]


def _notes(row: AthleteRow) -> str:
    """What stands on the athlete's row beside band and reasons."""
    returned = f"{row.returned}: {_('the model knows few such days')}" if row.returned else ""
    return "; ".join(as_title(note) for note in (returned, row.standing, row.silent, row.unmeasured) if note)


class _Odds(float):
    """A multiple, which a workbook shows as a number and not as a share."""


def _figure(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _as_text(cell: Cell) -> str:
    if isinstance(cell, Date):
        return cell.isoformat()
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(STARTS_FORMULA) else cell
    if isinstance(cell, _Odds):
        return f"{cell:.2f}"
    return "" if cell is None else str(cell)


def _fill(sheet: Any, report: WeeklyReport) -> None:
    from openpyxl.styles import Alignment, Font

    sheet.title = f"{report.date:%Y-%m-%d}"
    for place, line in enumerate(_lines(report), start=1):
        for column, cell in enumerate(line, start=1):
            _write(sheet.cell(place, column), cell)
    for cell in sheet[1]:
        cell.font, cell.alignment = Font(bold=True), Alignment(wrap_text=True, vertical="top")
    shares = (9, 9, 9) if report.shows_percent else ()
    widths = (14, 14, 12, 9, 11, 26, *shares, 13, 30, 70, 55, 30, 30, 40, 40, 11, 40)
    for column, width in zip(sheet.columns, widths, strict=True):
        sheet.column_dimensions[column[0].column_letter].width = width
    sheet.freeze_panes, sheet.auto_filter.ref = "B2", sheet.dimensions
    sheet.print_title_rows, sheet.page_setup.orientation, sheet.page_setup.paperSize = "1:1", "landscape", 9
    sheet.page_setup.fitToHeight, sheet.sheet_properties.pageSetUpPr.fitToPage = 0, True


def _write(cell: Any, value: Cell) -> None:
    """A text is written as a text, whatever it begins with; shares and dates carry their format."""
    from openpyxl.styles import Alignment

    if value == "":
        return  # written, it would count as filled in
    cell.value = float(value) if isinstance(value, _Odds) else value
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    if isinstance(value, str):
        cell.data_type = "s"
        cell.quotePrefix = value.startswith(STARTS_FORMULA)
    elif isinstance(value, float):
        cell.number_format = ODDS if isinstance(value, _Odds) else SHARE
    elif isinstance(value, Date):
        cell.number_format = "yyyy-mm-dd"


def _explain(sheet: Any, report: WeeklyReport) -> None:
    from openpyxl.styles import Alignment, Font

    facts = [
        report.title,
        report.week,
        _("Decision support, not diagnosis. Contains health data: for authorised staff only."),
        *([_("The ranking is not shown to be better than chance on this data.")] if report.ranking != "better" else []),
        _("When not to trust this"),
        *report.cautions,
    ]
    for place, text in enumerate(facts, start=1):
        _write(sheet.cell(place, 1), text)
    sheet["A1"].font = Font(bold=True)
    sheet.column_dimensions["A"].width, sheet["A1"].alignment = 110, Alignment(wrap_text=True)
