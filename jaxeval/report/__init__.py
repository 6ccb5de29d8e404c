"""How results are shown: the console table and the progress of a run."""

from jaxeval.report.contact_sheet import draw_contact_sheets
from jaxeval.report.curves import draw_curves
from jaxeval.report.detection_exhibits import draw_detection
from jaxeval.report.detection_table import print_detection, print_found
from jaxeval.report.exhibits import draw_exhibits
from jaxeval.report.explanation_table import print_explanation
from jaxeval.report.human_correlation_table import print_correlation
from jaxeval.report.human_figures import draw_analysis
from jaxeval.report.human_scatter import draw_human_scatter
from jaxeval.report.human_table import print_analysis
from jaxeval.report.pair_table import print_pairs
from jaxeval.report.progress import BarProgress, LineProgress, progress_for
from jaxeval.report.table import (
    format_count,
    format_value,
    output_console,
    print_comparison,
    print_results,
    print_warnings,
)

__all__ = [
    "BarProgress",
    "LineProgress",
    "draw_analysis",
    "draw_contact_sheets",
    "draw_curves",
    "draw_detection",
    "draw_exhibits",
    "draw_human_scatter",
    "format_count",
    "format_value",
    "output_console",
    "print_analysis",
    "print_comparison",
    "print_correlation",
    "print_detection",
    "print_explanation",
    "print_found",
    "print_pairs",
    "print_results",
    "print_warnings",
    "progress_for",
]
