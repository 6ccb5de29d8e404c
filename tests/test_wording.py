"""How the house words what a person reads: messages that end alike, and one spelling of each name."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxeval.errors import said_by

ROOT = Path(__file__).parents[1]
FOLDERS = ("jaxeval", "models", "benchmarks", "scripts")
SOURCES = sorted(path.relative_to(ROOT).as_posix() for name in FOLDERS for path in (ROOT / name).rglob("*.py"))
PAGES = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
PAGES += ["CONTRIBUTING.md", "README.md", "pyproject.toml"]

MISSPELT = re.compile(r"\bF[r]echet\b|[Gg][r]ey|G[R]EY")  # not frechet, as modules and arguments are called

# What raises or warns, and the lists that hold warnings: the first argument is read by a person.
SAYING = re.compile(r"(Error|Exception|Warning|BadParameter|\bwarn|(warnings|remarks|sentences)\.(append|extend))$")


class Endings:
    """The texts that expressions of a file may end with, as far as the file says.

    A name stands for all that is assigned to it anywhere in the file, and a call for all that functions of its name
    return there.
    """

    def __init__(self, tree: ast.Module):
        self.known: dict[str, list[ast.expr]] = defaultdict(list)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self.known[ast.unparse(target)].append(node.value)
            elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value is not None:
                self.known[ast.unparse(node.target)].append(node.value)
            elif isinstance(node, ast.FunctionDef):
                returns = (inside.value for inside in ast.walk(node) if isinstance(inside, ast.Return))
                self.known[f"{node.name}()"] += [value for value in returns if value is not None]

    def of(self, node: ast.expr, followed: frozenset[str] = frozenset()) -> Iterator[str]:
        """The texts that an expression may end with."""
        if isinstance(node, ast.Constant):
            yield from [node.value] if isinstance(node.value, str) else []
        elif isinstance(node, ast.JoinedStr):
            yield from self._of_several(node.values, followed)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield from self._of_several([node.left, node.right], followed)
        else:
            for part in self._parts(node, followed):
                yield from self.of(part, followed | {self._name(node)})

    def _of_several(self, parts: list[ast.expr], followed: frozenset[str]) -> Iterator[str]:
        """Those of the last part; where that may be empty, also those of the one before."""
        for part in reversed(parts):
            endings = list(self.of(part, followed))
            yield from endings
            if "" not in endings:
                return

    def _parts(self, node: ast.expr, followed: frozenset[str]) -> list[ast.expr]:
        if isinstance(node, ast.FormattedValue | ast.Subscript | ast.Starred):
            return [node.value]
        if isinstance(node, ast.IfExp):
            return [node.body, node.orelse]
        if isinstance(node, ast.BoolOp | ast.Dict):
            return list(node.values)
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return node.elts
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            return [node.elt]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            return [node.func.value]
        name = self._name(node)
        return [] if name in followed else self.known.get(name, [])

    @staticmethod
    def _name(node: ast.expr) -> str:
        if not isinstance(node, ast.Call):
            return ast.unparse(node)
        return f"{node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)}()"


def lines_that_end_badly(source: str) -> list[int]:
    """The lines of a file's messages that end with a period or an exclamation mark."""
    tree = ast.parse(source)
    endings = Endings(tree)
    said = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and SAYING.search(ast.unparse(node.func))]
    return [
        node.lineno
        for node in said
        for argument in node.args[:1]
        if any(text.rstrip().endswith((".", "!")) for text in endings.of(argument))
    ]


@pytest.mark.parametrize(
    ("message", "bad"),
    [
        ("raise InputError('no file; give one')", False),
        ("raise InputError('no file.')", True),
        ("raise InputError(f'no file {name}.')", True),
        ("raise InputError('no file' + ('' if told else '.'))", True),
        ("raise InputError(f'no file.{\"\" if told else advice}')", True),
        ("reason = '.' if bare else '; the first: a'\nraise InputError(f'no file{reason}')", True),
        ("def reason():\n  return 'No.'\nraise click.UsageError(reason())", True),
        ("ADVICE = {'a': 'give one.'}\nwarnings.warn(f'no file: {ADVICE[key]}')", True),
        ("self.warnings.append('Careful!')", True),
        ("text = text + '; so'\nraise ValueError(text)", False),
        ("found = click.option(help='A file.')", False),
    ],
)
def test_what_ends_badly_is_found(message: str, bad: bool) -> None:
    assert bool(lines_that_end_badly(message)) == bad


def test_messages_end_without_a_period() -> None:
    found = {path: lines_that_end_badly((ROOT / path).read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_names_are_spelt_one_way() -> None:
    found = {}
    for path in SOURCES + PAGES:
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        found[path] = [number for number, line in enumerate(lines, 1) if MISSPELT.search(line)]
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("message", "said"),
    [("File is not a zip file.", "File is not a zip file"), ("\nno data...\nat line 2.", "no data"), (" ", "OSError")],
)
def test_other_libraries_messages_become_part_of_a_sentence(message: str, said: str) -> None:
    assert said_by(OSError(message)) == said
