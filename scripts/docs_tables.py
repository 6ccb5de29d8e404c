"""`python scripts/docs_tables.py`: writes the tables of the docs that are made from records, between their marks."""

import functools
import re
from pathlib import Path

from jaxeval.evaluation import MEASURES, PROTOCOLS

ROOT = Path(__file__).parents[1]
_MARKED = re.compile(r"(<!-- (?P<name>[a-z]+): made by scripts/docs_tables\.py[^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)


def _metrics() -> list[str]:
    rows = ["| `--metrics` | numbers | better | needs | blind to |", "|---|---|---|---|---|"]
    for measure in MEASURES.values():
        names = ", ".join(
            number.label + (f" ({number.inception})" if number.inception not in (None, number.label) else "")
            for number in measure.numbers
        )
        cells = [f"`{measure.name}`", f"{names}: {measure.what}", ", ".join(measure.directions)]
        needs = ", ".join(f"`{need}`" if need.startswith("--") else need for need in measure.needs)
        rows.append(f"| {' | '.join([*cells, needs, measure.blind_to])} |")
    return rows


def _protocols(*headings: str) -> list[str]:
    rows = [f"| {' | '.join(['protocol', *headings])} |", f"|{'---|' * (1 + len(headings))}"]
    for protocol in PROTOCOLS.values():
        cells = [f"`{protocol.name}`", *(protocol.words[heading] for heading in headings)]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


_OF_IMAGES = ("follows", "levels of x in -1 to 1", "resize", "resize of", "Inception's input", "images")
_OF_NUMBERS = ("covariance", "root", "kernel distance", "Inception score", "precision, recall", "remarks")

TABLES = {
    "metrics": (Path("docs/evaluation.md"), _metrics),
    "preparations": (Path("docs/evaluation.md"), functools.partial(_protocols, *_OF_IMAGES)),
    "rules": (Path("docs/evaluation.md"), functools.partial(_protocols, *_OF_NUMBERS)),
}


def with_tables(text: str) -> str:
    """A page with its tables as the records have them now."""
    return _MARKED.sub(lambda match: match[1] + "\n".join(TABLES[match["name"]][1]()) + f"\n{match[3]}", text)


def main() -> None:
    """Writes them all."""
    for page in {page for page, _ in TABLES.values()}:
        path = ROOT / page
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
