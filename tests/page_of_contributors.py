"""The examples of CONTRIBUTING.md, and how they are put into a copy of the package."""

import ast
import re
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```python\n# (in )?(\S+?)(?:, ([^\n]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code of the page.

    Attributes:
      section: its heading.
      file: relative to the repository.
      place: where in a file that exists; empty for a new file.
      code: what is put there.
    """

    section: str
    file: str
    place: str
    code: str


def blocks() -> list[Block]:
    """All of them, in the page's order."""
    text = PAGE.read_text(encoding="utf-8")
    starts = [(match.start(), match[1]) for match in _SECTION.finditer(text)]
    found = []
    for match in _BLOCK.finditer(text):
        section = [name for start, name in starts if start < match.start()][-1]
        found.append(Block(section, match[2], match[3] or "", match[4]))
    return found


def copy_with_newcomers(folder: Path) -> Path:
    """A copy of the package with every example in it; returns the folder that holds it."""
    shutil.copytree(ROOT / "jaxeval", folder / "jaxeval", ignore=shutil.ignore_patterns("__pycache__"))
    for block in blocks():
        put(block, folder)
    return folder


def put(block: Block, folder: Path) -> None:
    """Puts a block where it says.

    Raises:
      ValueError: there is no such place, or the new file exists.
    """
    path = folder / block.file
    if not block.place:
        if path.exists():
            raise ValueError(f"{block.file} exists; the page says that it is new")
        path.write_text(block.code, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    line = _line(ast.parse(text), block.place)
    lines = text.splitlines(keepends=True)
    apart = "\n\n" if block.place.startswith("before ") else ""
    path.write_text("".join([*lines[:line], block.code.rstrip() + "\n" + apart, *lines[line:]]), encoding="utf-8")


def _line(tree: ast.Module, place: str) -> int:
    """The number of lines that come before a place."""
    if place == "at the end of the docstring":
        return _end(tree.body[0]) - 1
    if place == "among the imports":
        return max(_end(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    match = re.fullmatch(r"(before|at the end of) (\w+)", place)
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if match is not None and isinstance(target, ast.Name) and target.id == match[2]:
            return node.lineno - 1 if match[1] == "before" else _end(node) - 1
    raise ValueError(f"there is no place {place!r}")


def _end(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno
