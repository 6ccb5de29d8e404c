"""The examples of CONTRIBUTING.md work as they stand, and each is in as few files as the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from page_of_contributors import PAGE, ROOT, Block, blocks, copy_with_newcomers, put

FILES = {
    "A metric of sets": 3,
    "An extractor": 2,
    "A measure of image quality": 3,
    "A protocol": 1,
    "A source of images": 2,
    "A figure of the report": 2,
}
"""How many files each newcomer touches."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_with_newcomers(tmp_path_factory.mktemp("packages"))


def test_every_newcomer_is_in_as_few_files_as_it_may_be():
    found: dict[str, set[str]] = {}
    for block in blocks():
        found.setdefault(block.section, set()).add(block.file)
    assert {section: len(files) for section, files in found.items()} == FILES


def test_every_block_of_python_says_where_it_goes():
    assert len(blocks()) == PAGE.read_text(encoding="utf-8").count("```python\n")


def test_what_the_page_names_exists():
    names = re.findall(r"`((?:tests|scripts|docs|jaxeval|\.ci)/[\w./-]*)`|\]\(([\w./]+)\)", PAGE.read_text("utf-8"))
    new = {block.file for block in blocks() if not block.place}
    assert [name for pair in names for name in pair if name and name not in new and not (ROOT / name).exists()] == []


def test_every_newcomer_works_through_the_public_door(packages, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (packages, ROOT / "tests")))}
    environment["XLA_FLAGS"] = ""  # one device
    # With the types and shapes of the new modules' signatures checked, as those of all modules are in other tests.
    new = [block.file.removesuffix(".py").replace("/", ".") for block in blocks() if not block.place]
    script = (
        f"import sys; from jaxtyping import install_import_hook; install_import_hook({new}, 'type_checks.checked'); "
        "import newcomers; newcomers.main(*sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, str(packages), str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["metric", "extractor", "quality measure", "protocol", "source", "figure"]


def test_a_block_without_its_place_is_an_error(packages):
    for file, place in (("jaxeval/ops/energy.py", ""), ("jaxeval/ops/energy.py", "at the end of nothing")):
        with pytest.raises(ValueError, match=r"exists|no place"):
            put(Block("", file, place, ""), packages)
