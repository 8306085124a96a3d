"""A run as one page that opens from the disk: maps, images, curves, settings."""

from qdfool.analysis.report.data import EliteTable, Grid, Growth, Report, TopClasses
from qdfool.analysis.report.page import render, write_report

__all__ = ["EliteTable", "Grid", "Growth", "Report", "TopClasses", "render", "write_report"]
