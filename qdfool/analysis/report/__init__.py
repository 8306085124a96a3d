"""A run, or an audit, as one page that opens from the disk: maps, images, curves, settings."""

from qdfool.analysis.report.audit_data import AuditReport, Curves, Picture, Shares, WayRow
from qdfool.analysis.report.audit_page import render_audit, write_audit
from qdfool.analysis.report.data import EliteTable, Grid, Growth, Report, TopClasses
from qdfool.analysis.report.page import render, write_report

__all__ = [
    "AuditReport",
    "Curves",
    "EliteTable",
    "Grid",
    "Growth",
    "Picture",
    "Report",
    "Shares",
    "TopClasses",
    "WayRow",
    "render",
    "render_audit",
    "write_audit",
    "write_report",
]
