"""The weekly report: `build_report` decides what it says, `render_html` lays it out as one file."""

from serving.report.content import WeeklyReport, build_report
from serving.report.render import render_html
from serving.report.settings import Band, ReportSettings, load_report_settings

__all__ = ["Band", "ReportSettings", "WeeklyReport", "build_report", "load_report_settings", "render_html"]
