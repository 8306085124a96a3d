"""A run, or runs side by side, as one page that opens from the disk: maps, images, curves, tables, settings."""

from qdfool.analysis.report.comparison import ComparedCurves, ComparedFigure, ComparisonReport, Run, Scale
from qdfool.analysis.report.data import EliteTable, Grid, Growth, Report, TopClasses
from qdfool.analysis.report.page import render, render_comparison, write_report

__all__ = [
    "ComparedCurves",
    "ComparedFigure",
    "ComparisonReport",
    "EliteTable",
    "Grid",
    "Growth",
    "Report",
    "Run",
    "Scale",
    "TopClasses",
    "render",
    "render_comparison",
    "write_report",
]
