"""A run, several side by side, or an audit, as one page that opens from the disk: maps, images, curves, settings."""

from qdfool.analysis.report.audit_data import AuditReport, Curves, Picture, Shares, WayRow
from qdfool.analysis.report.audit_page import render_audit, write_audit
from qdfool.analysis.report.comparison import ComparedCurves, ComparedFigure, ComparisonReport, Run, Scale
from qdfool.analysis.report.data import EliteTable, Grid, Growth, Report, TopClasses
from qdfool.analysis.report.page import render, render_comparison, write_report

__all__ = [
    "AuditReport",
    "ComparedCurves",
    "ComparedFigure",
    "ComparisonReport",
    "Curves",
    "EliteTable",
    "Grid",
    "Growth",
    "Picture",
    "Report",
    "Run",
    "Scale",
    "Shares",
    "TopClasses",
    "WayRow",
    "render",
    "render_audit",
    "render_comparison",
    "write_audit",
    "write_report",
]
