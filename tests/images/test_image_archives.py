"""Zip and tar archives: the same images as a folder, and nothing that could harm."""

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from image_samples import encode, noise, read_all, write_folder, write_tar, write_zip

from jaxeval.errors import InputError
from jaxeval.images import ReadReport, open_source

FILES = {name: encode(noise(6, 7, 3, seed=i), "PNG") for i, name in enumerate(["b.png", "a.png", "s/c.png"])}
JUNK = {"notes.txt": b"x", "__MACOSX/._a.png": b"x", "s/": b""}
ESCAPES = ["../evil.png", "a/../../evil.png", "/evil.png", "C:evil.png", "C:\\evil.png", "..\\evil.png", "\\evil.png"]


def test_zip_is_read_like_the_folder_with_the_same_files(tmp_path):
    folder = open_source(write_folder(tmp_path / "f", FILES))
    for kind, compression in {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}.items():
        source = open_source(write_zip(tmp_path / f"{kind}.ZIP", FILES | JUNK, compression))
        assert [item.name for item in source.items()] == ["a.png", "b.png", "s/c.png"] and len(source) == 3  # noqa: PT018
        assert source.fingerprint() == folder.fingerprint()
        assert source.notes == {"file without an image extension ignored": 1, "hidden file or folder ignored": 1}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz"])
def test_tar_keeps_its_own_order(tmp_path, suffix):
    path = write_tar(tmp_path / f"a.{suffix}", {f"./{name}": data for name, data in FILES.items()} | {"notes.txt": b""})
    source = open_source(path)
    report = ReadReport()
    assert list(read_all(source, report=report)) == ["b.png", "a.png", "s/c.png"]
    assert len(source) == 3
    assert report.notes == {"file without an image extension ignored": 1}
    assert len(open_source(path)) == 3  # before any reading


def test_sorted_archives_and_folders_share_a_fingerprint(tmp_path):
    ordered = dict(sorted(FILES.items()))
    prints = {
        open_source(place).fingerprint()
        for place in (
            write_folder(tmp_path / "f", ordered),
            write_zip(tmp_path / "a.zip", ordered),
            write_tar(tmp_path / "a.tar", ordered),
            write_tar(tmp_path / "a.tgz", ordered),
        )
    }
    assert len(prints) == 1


def test_shards_by_folder_glob_and_braces(tmp_path):
    for shard in range(12):
        write_tar(
            tmp_path / f"s-{shard:02d}.tar", {f"{i}.png": encode(noise(4, 4, 3, seed=shard), "PNG") for i in (1, 0)}
        )
    expected = [f"s-{shard:02d}.tar/{i}.png" for shard in range(12) for i in (1, 0)]
    for spec in (tmp_path, tmp_path / "s-*.tar", tmp_path / "s-{00..11}.tar", tmp_path / "s-{0{0..9},10,11}.tar"):
        source = open_source(spec)
        assert [item.name for item in source.items()] == expected
        assert len(source) == 24
    assert len(open_source(tmp_path / "s-{03..04}.tar")) == 4
    with pytest.raises(InputError, match=r"s-12\.tar"):
        open_source(tmp_path / "s-{10..12}.tar")
    with pytest.raises(InputError, match="count upwards"):
        open_source(tmp_path / "s-{5..1}.tar")
    with pytest.raises(InputError, match="neither a range"):
        open_source(tmp_path / "s-{}.tar")
    (tmp_path / "s.zip").write_bytes(b"")
    with pytest.raises(InputError, match="several kinds"):
        open_source(tmp_path / "s*")
    write_folder(tmp_path, {"a.png": FILES["a.png"]})
    with pytest.raises(InputError, match=r"holds images and the archive s-00\.tar"):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ESCAPES)
def test_entries_that_point_outside_are_refused_by_name(tmp_path, name):
    shown = name.replace("\\", r"\\\\")
    path = write_zip(tmp_path / "a.zip", FILES | {name: FILES["a.png"]})
    with pytest.raises(InputError, match=f"a.zip: the entry '{shown}' points outside"):
        open_source(path)
    path = write_tar(tmp_path / "a.tar", FILES | {name: FILES["a.png"]})
    with pytest.raises(InputError, match=f"a.tar: the entry '{shown}' points outside"):
        read_all(path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.zip", "a.tar"}
    assert not (tmp_path.parent / "evil.png").exists()


def patch(path, old, new, count=-1):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, count))


def test_encrypted_zips_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    data[directory + 8] |= 1  # the general purpose flag of the first entry in the central directory
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"'b\.png' is encrypted"):
        open_source(path)


def test_zip_bombs_are_refused_by_name(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("big.png", "w") as entry,
    ):
        for _ in range(80):
            entry.write(bytes(2**20))
    with pytest.raises(InputError, match=r"'big\.png' unpacks from \d+ to 83886080 bytes"):
        open_source(tmp_path / "a.zip")


def test_a_zip_entry_larger_than_it_declares_is_an_error(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"a.png": bytes(5000)}, zipfile.ZIP_DEFLATED)
    patch(path, struct.pack("<I", 5000), struct.pack("<I", 100))
    with pytest.raises(InputError, match=r"entry 'a\.png' cannot be unpacked"):
        read_all(path)


def test_a_damaged_zip_entry_can_be_skipped(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    patch(path, FILES["a.png"][40:60], bytes(20), 1)
    report = ReadReport()
    assert list(read_all(path, on_error="skip", report=report)) == ["b.png", "s/c.png"]
    ((name, reason),) = report.skipped
    assert name == "a.png"
    assert "CRC" in reason


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"only words, and enough of them to fill a header" * 40])
def test_files_that_are_no_archives(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as caught:
        read_all(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
def test_archives_cut_short(tmp_path, name, share):
    files = {f"{i}.png": encode(noise(50, 50, 3, seed=i), "PNG") for i in range(9)}
    path = (write_zip if name.endswith("zip") else write_tar)(tmp_path / name, files)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=name):
        read_all(path)


def test_tars_cut_between_entries_or_damaged_in_a_header_are_errors(tmp_path):
    path = write_tar(tmp_path / "a.tar", FILES)
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    path.write_bytes(whole[: last.offset])
    with pytest.raises(InputError, match="end-of-archive"):
        read_all(path)
    path.write_bytes(whole[: last.offset] + b"garbage!" + whole[last.offset + 8 :])
    with pytest.raises(InputError, match="damaged header"):
        read_all(path)
    with pytest.raises(InputError, match="damaged header"):
        len(open_source(path))


def test_tar_links_and_devices_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in {"l.png": tarfile.SYMTYPE, "h.png": tarfile.LNKTYPE, "p.png": tarfile.FIFOTYPE}.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        member = tarfile.TarInfo("a.png")
        member.size = len(FILES["a.png"])
        archive.addfile(member, io.BytesIO(FILES["a.png"]))
    report = ReadReport()
    assert list(read_all(tmp_path / "a.tar", report=report)) == ["a.png"]
    assert report.notes == {"link, pipe or device ignored": 3}


def test_a_tar_header_that_claims_gigabytes_is_refused(tmp_path):
    member = tarfile.TarInfo("big.png")
    member.size = 2**34  # more than a header has digits for: an extended header says it
    (tmp_path / "a.tar").write_bytes(member.tobuf() + bytes(4096))
    with pytest.raises(InputError, match=r"'big\.png' holds 17179869184 bytes"):
        read_all(tmp_path / "a.tar")
    extended = tarfile.TarInfo("x")
    extended.type, extended.size = tarfile.XHDTYPE, 2**32
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(extended.tobuf() + bytes(4096)))
    with pytest.raises(InputError, match=r"b\.tar\.gz .* claims 4294967296 bytes"):
        read_all(tmp_path / "b.tar.gz")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_archives_without_images(tmp_path, write):
    path = write(tmp_path / f"a.{write.__name__[6:]}", {"notes.txt": b"x"})
    with pytest.raises(InputError, match="holds no images"):
        read_all(path)


def test_entries_of_one_name_are_all_read_and_noted(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", FILES["a.png"])
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", FILES["b.png"])
    source = open_source(path)
    contents = [item.read() for item in source.items()]
    assert contents == [FILES["a.png"], FILES["b.png"]]
    assert source.notes == {"duplicate entry name": 1}


def test_unknown_archives_say_what_is_read(tmp_path):
    (tmp_path / "a.7z").write_bytes(b"7z")
    with pytest.raises(InputError, match=r"a\.7z holds no images"):
        open_source(tmp_path / "a.7z")


def test_pixels(tmp_path):
    images = read_all(write_zip(tmp_path / "a.zip", FILES))
    for seed, name in enumerate(["b.png", "a.png", "s/c.png"]):
        np.testing.assert_array_equal(images[name], noise(6, 7, 3, seed=seed))
