"""How results are shown: the console table and the progress of a run."""

from jaxeval.report.progress import BarProgress, LineProgress, progress_for
from jaxeval.report.table import format_count, format_value, output_console, print_comparison, print_results

__all__ = [
    "BarProgress",
    "LineProgress",
    "format_count",
    "format_value",
    "output_console",
    "print_comparison",
    "print_results",
    "progress_for",
]
