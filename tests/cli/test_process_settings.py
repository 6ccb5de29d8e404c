"""What the command line sets for its own process: kept programs, kept memory, and one compilation a run."""

import ctypes
import json
import subprocess
import sys

import jax
import pytest
from image_sets import crops, write_pngs
from jax.experimental.compilation_cache import compilation_cache

from jaxeval.cli import main, process
from jaxeval.cli.process import compiled_programs
from jaxeval.errors import InputError


@pytest.fixture(autouse=True)
def without_the_tests_own_cache():
    before = cache_of_jax()
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    yield
    jax.config.update("jax_compilation_cache_dir", before)
    compilation_cache.reset_cache()


@pytest.fixture
def every_program_is_kept(monkeypatch):
    """Also those of a network so small that a fast machine compiles it before it is worth keeping."""
    monkeypatch.setattr(process, "_LEAST_SECONDS", 0.0)


@pytest.fixture
def folders(tmp_path):
    made = write_pngs(tmp_path / "real", crops(11, (5, 4), 1)), write_pngs(tmp_path / "fake", crops(9, (5, 4), 2))
    return [str(folder) for folder in made]


def cache_of_jax():
    return jax.config.values["jax_compilation_cache_dir"]


def programs(folder):
    return sorted(path.name for path in folder.rglob("jit_*") if path.name.endswith("-cache"))


def evaluate(folders, *options):
    return main(["evaluate", *folders, "--extractor", "random-conv", "--batch-size", "4", "--quiet", *options])


def test_programs_are_kept_and_found_again(every_program_is_kept, folders, tmp_path, capfd, caplog):
    # A fresh program, as in a new process: what a jitted function has at hand would hide the cache.
    kept = tmp_path / "compiled"
    jax.clear_caches()
    assert evaluate(folders, "--compilation-cache", str(kept)) == 0
    first, found = capfd.readouterr().out, programs(kept)
    assert any(name.startswith("jit_apply-") for name in found)
    jax.clear_caches()
    with caplog.at_level("DEBUG", logger="jax._src.compiler"):
        assert evaluate(folders, "--compilation-cache", str(kept)) == 0
    assert "Persistent compilation cache hit for 'jit_apply'" in caplog.text
    assert capfd.readouterr().out == first
    assert programs(kept) == found


def test_pairs_keeps_its_programs_too(every_program_is_kept, folders, tmp_path, capfd, caplog):
    images = write_pngs(tmp_path / "sharp", crops(2, (24, 20), 1)), write_pngs(tmp_path / "soft", crops(2, (24, 20), 2))
    command = [
        "pairs",
        *map(str, images),
        "--metrics",
        "gmsd",
        "--quiet",
        "--compilation-cache",
        str(tmp_path / "kept"),
    ]
    jax.clear_caches()
    assert main(command) == 0
    first, found = capfd.readouterr().out, programs(tmp_path / "kept")
    assert any(name.startswith("jit__each_image-") for name in found)
    jax.clear_caches()
    with caplog.at_level("DEBUG", logger="jax._src.compiler"):
        assert main(command) == 0
    assert "Persistent compilation cache hit for 'jit__each_image'" in caplog.text
    assert capfd.readouterr().out == first


def test_it_can_be_turned_off_and_leaves_jax_as_it_was(every_program_is_kept, folders, tmp_path, monkeypatch, capfd):
    home = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    before = cache_of_jax()
    jax.clear_caches()
    assert evaluate(folders, "--compilation-cache", "off") == 0
    assert not home.exists()
    monkeypatch.setenv("JAXEVAL_COMPILATION_CACHE", "off")
    assert evaluate(folders) == 0
    assert not home.exists()
    monkeypatch.delenv("JAXEVAL_COMPILATION_CACHE")
    jax.clear_caches()
    assert evaluate(folders) == 0
    assert programs(home / "jaxeval" / "compiled")
    assert cache_of_jax() == before


def test_a_cache_that_jax_has_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = cache_of_jax()
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "of-the-user"))
    try:
        with compiled_programs(None):
            assert cache_of_jax() == str(tmp_path / "of-the-user")
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_made_is_an_error_if_it_was_asked_for(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be kept"), compiled_programs(str(blocked)):
        pass
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with compiled_programs(None):
        assert cache_of_jax() is None


def test_one_compilation_of_the_network_serves_a_run_with_its_padded_last_batches(folders, caplog, capfd):
    # 11 and 9 images in batches of 4: both sets end in a batch that is not full.
    jax.clear_caches()
    with jax.log_compiles(), caplog.at_level("WARNING", logger="jax"):
        assert evaluate(folders, "--compilation-cache", "off") == 0
    compiled = [message for message in caplog.messages if message.startswith("Finished XLA compilation of jit(apply)")]
    assert len(compiled) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings")
def test_freed_memory_is_kept_by_the_program_and_not_by_an_import():
    program = """
import json, resource
import numpy as np
import jaxeval
from jaxeval.cli.process import keep_freed_memory

def faults():
    np.empty(1 << 20).fill(1.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.empty(1 << 20).fill(1.0)  # 8 MB, and freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
print(json.dumps([before, keep_freed_memory(), faults()]))
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    before, taken, after = json.loads(done.stdout)
    assert not taken or after < before / 10


@pytest.mark.parametrize(
    ("environment", "plugins", "nodes", "expected"),
    [
        ({}, False, True, True),
        ({}, True, False, True),
        ({}, True, True, False),
        ({"JAX_PLATFORMS": "cpu"}, True, True, True),
        ({"JAX_PLATFORMS": "cuda,cpu"}, False, False, False),
        ({"JAX_PLATFORMS": ""}, False, False, True),
        ({"JAX_PLATFORM_NAME": "cpu"}, True, True, True),
        ({"JAX_PLATFORMS": "tpu", "JAX_PLATFORM_NAME": "cpu"}, True, True, False),
    ],
)
def test_the_allocator_is_left_alone_where_an_accelerator_computes(
    monkeypatch, tmp_path, environment, plugins, nodes, expected
):
    for name in ("JAX_PLATFORMS", "JAX_PLATFORM_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(process, "_accelerator_plugins", lambda: plugins)
    monkeypatch.setattr(process, "_ACCELERATOR_NODES", (str(tmp_path / "nvidia[0-9]*"),))
    if nodes:
        (tmp_path / "nvidia0").touch()
    taken = []
    monkeypatch.setattr(process.ctypes, "CDLL", lambda name: taken.append(name) or ctypes.CDLL(name))
    assert process.cpu_computes() is expected
    if not expected:
        assert not process.keep_freed_memory()
        assert not taken


def test_plugins_are_those_that_jax_would_load(monkeypatch, tmp_path):
    monkeypatch.setattr(process.importlib.metadata, "entry_points", lambda group: [])
    assert not process._accelerator_plugins()
    (tmp_path / "jax_plugins" / "xla_cuda13").mkdir(parents=True)
    (tmp_path / "jax_plugins" / "xla_cuda13" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert process._accelerator_plugins()
