"""The house: which room may import from which, and that what is private to a room stays in it."""

import ast
import functools
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxeval

ROOT = Path(__file__).parents[1]
# A room imports from those before it; what stands in one row does not know of its neighbours.
FLOORS = (
    ("base",),
    ("ops", "tensor_files"),
    ("images", "distributed"),
    ("statistics",),
    ("metrics",),
    ("extractors",),
    ("detection", "evaluation", "human", "pairs"),
    ("report",),
    ("cli",),
)
HEIGHTS = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
# Modules that users import by themselves, and that are their own faces.
OPEN = {f"jaxeval.{name}" for name in ("errors", "files", "ops.compensated", "progress", "records")}
BASE = {path.stem for path in (ROOT / "jaxeval").glob("*.py")} - {"__init__", "__main__"}


def room_of(module: str) -> str:
    """Of a module of the package; what all share lies beside the rooms."""
    part = module.split(".")[1]
    return "base" if part in BASE else part


@functools.cache
def sources() -> dict[Path, tuple[str, ast.Module]]:
    """By file of the repository, the name of its module and what it says."""
    files = [path for folder in ("jaxeval", "models", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    return {
        path: (
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"),
            ast.parse(path.read_text(encoding="utf-8")),
        )
        for path in files
    }


@functools.cache
def imports() -> dict[str, set[str]]:
    """By module of the repository, the modules of the package that it imports, inside functions too."""
    known, found = {name for name, _ in sources().values()}, {}
    for name, tree in sources().values():
        found[name] = {
            module for asked in _asked(tree) for module in asked if module in known and module.startswith("jaxeval.")
        } - {name}
    return found


def _asked(tree: ast.Module) -> Iterator[list[str]]:
    """Each import's modules: of `from a import b` both `a` and `a.b`, either of which may be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]


def test_every_room_has_a_floor():
    rooms = {room_of(module) for module in imports() if module.startswith("jaxeval.")} - {"__main__"}
    assert rooms == set(HEIGHTS)


@pytest.mark.parametrize("room", HEIGHTS)
def test_rooms_import_from_below(room):
    wrong = [
        f"{module} imports {other}"
        for module, others in imports().items()
        if module.startswith("jaxeval.") and room_of(module) == room
        for other in others
        if room_of(other) != room and HEIGHTS[room_of(other)] >= HEIGHTS[room]
    ]
    assert wrong == []


def test_people_are_compared_with_no_network():
    """What people said is read, fitted and compared where no network is."""
    rooms = {room_of(other) for module, others in imports().items() if room_of_people(module) for other in others}
    assert rooms <= {"base", "ops", "images", "human"}


def room_of_people(module: str) -> bool:
    return module.startswith("jaxeval.human")


def test_no_module_imports_itself_through_others():
    graph, done, path = imports(), set(), []

    def visit(module: str) -> None:
        if module in path:
            raise AssertionError(" -> ".join([*path[path.index(module) :], module]))
        if module not in done:
            path.append(module)
            for other in sorted(graph.get(module, ())):
                if not module.startswith(f"{other}."):  # a face has been begun before its modules, and asks for them
                    visit(other)
            path.pop()
            done.add(module)

    for module in graph:
        visit(module)


def test_private_modules_are_their_rooms_own():
    wrong = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        for parent, _, name in [other.rpartition(".")]
        if name.startswith("_") and name != "_version" and not f"{module}.".startswith(f"{parent}.")
    ]
    assert wrong == []


@pytest.mark.parametrize("room", [room for room in HEIGHTS if HEIGHTS[room] < HEIGHTS["metrics"]])
def test_rooms_do_not_speak_of_those_above(room):
    """Neither docstrings nor messages: what they need is said in words of their own, or is in the docs."""
    wrong = [
        f"{name} names {found[0]}"
        for path, (name, _) in sources().items()
        if name.startswith("jaxeval.") and name != "jaxeval.__main__" and room_of(name) == room
        for found in re.finditer(r"\bjaxeval\.(\w+)", path.read_text(encoding="utf-8"))
        if HEIGHTS.get(found[1], 0) > HEIGHTS[room]
    ]
    assert wrong == []


def test_only_faces_list_their_names():
    """A name that no face has is imported from where it is defined."""
    listing = {
        name
        for path, (name, tree) in sources().items()
        if path.name != "__init__.py"
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    }
    assert listing == OPEN


def test_no_name_of_a_package_hides_a_module():
    """`import jaxeval.ops.kid as m` would give a function `kid` of the face in the place of a module `kid`."""
    hidden = []
    for info in pkgutil.walk_packages(jaxeval.__path__, "jaxeval."):
        parent, _, name = info.name.rpartition(".")
        if name != "__main__":
            module = importlib.import_module(info.name)
            if getattr(importlib.import_module(parent), name) is not module:
                hidden.append(info.name)
    assert hidden == []
