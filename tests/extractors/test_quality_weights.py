"""Models of NIQE, IL-NIQE, NRQM and BRISQUE in the weights folder: with their ranges and convention, or not at all."""

import dataclasses
import hashlib
import io
import json

import numpy as np
import pytest
import scipy.io
from nrqm_models import FEATURES, one_split, save_model

from jaxeval.cli import main
from jaxeval.errors import InputError, WeightsError, WeightsMissingError
from jaxeval.extractors import WeightsStore, load_brisque, load_ilniqe, load_niqe, load_nrqm, store
from jaxeval.extractors.catalogue import CATALOGUE
from jaxeval.extractors.known_weights import git_blob
from jaxeval.extractors.quality_files import NIQE_WEIGHTS
from jaxeval.ops.image_quality import NrqmModel

HEAD = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.05\nnr_class 2\ntotal_sv 2\nrho -50.5\nSV\n"
LINES = ["1 1:0.5 36:-0.25", "-1 2:0.125"]
REGRESSION = (HEAD + "\n".join(LINES) + "\n").encode()
RANGES = ("x\n-1 1\n" + "".join(f"{i} {-i} {2 * i}\n" for i in range(1, 37))).encode()


def as_on_windows(content):
    return content.replace(b"\n", b"\r\n")


@pytest.fixture
def kept(tmp_path):
    return WeightsStore(tmp_path / "weights")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A regression and its ranges, taken for what the authors publish."""
    (tmp_path / "allmodel").write_bytes(as_on_windows(REGRESSION))
    (tmp_path / "allrange").write_bytes(as_on_windows(RANGES))
    known = CATALOGUE["brisque-authors"]
    assert known.ranges is not None
    digests = [hashlib.sha256(as_on_windows(content)).hexdigest() for content in (REGRESSION, RANGES)]
    copies = [(hashlib.sha256(content).hexdigest(),) for content in (REGRESSION, RANGES)]
    ranges = dataclasses.replace(known.ranges, sha256=digests[1], copies=copies[1])
    monkeypatch.setitem(
        CATALOGUE, "brisque-authors", dataclasses.replace(known, sha256=digests[0], copies=copies[0], ranges=ranges)
    )
    return tmp_path


def row(kept, name):
    return {row.name: row for row in kept.list()}[name]


def test_the_authors_regression_is_kept_with_its_ranges_whatever_its_line_ends(kept, files):
    assert kept.import_file("brisque-authors", files / "allmodel", ranges=files / "allrange").state == "ready"
    model = load_brisque(convention="matlab", weights_dir=kept.folder)
    assert (model.convention, model.gamma, model.rho) == ("matlab", 0.05, -50.5)
    np.testing.assert_array_equal(model.low, -np.arange(1, 37))
    np.testing.assert_array_equal(model.high, 2 * np.arange(1, 37))
    assert (model.support[0, 0], model.support[0, 35], model.support[1, 1]) == (0.5, -0.25, 0.125)
    before = row(kept, "brisque-authors")
    (files / "allmodel").write_bytes(REGRESSION)
    (files / "allrange").write_bytes(RANGES)
    assert kept.import_file("brisque-authors", files / "allmodel", ranges=files / "allrange") == before
    again = load_brisque(files / "allmodel", ranges=files / "allrange")
    assert again.convention == "matlab"
    np.testing.assert_array_equal(again.low, model.low)


@pytest.mark.parametrize("unverified", [False, True])
def test_the_authors_regression_is_not_taken_for_the_packages(kept, files, unverified):
    with pytest.raises(WeightsError, match="allmodel: the published weights of 'brisque-authors', not of 'brisque'"):
        kept.import_file("brisque", files / "allmodel", ranges=files / "allrange", unverified=unverified)
    with pytest.raises(InputError, match=r"allmodel: give the ranges of its features too \(--ranges FILE"):
        kept.import_file("brisque-authors", files / "allmodel", unverified=unverified)
    assert not kept.folder.exists()
    with pytest.raises(InputError, match="'brisque-authors' model goes with convention 'matlab', not 'brisque'"):
        load_brisque(files / "allmodel", ranges=files / "allrange", convention="brisque")


@pytest.mark.parametrize("name", ["brisque", "brisque-authors"])
def test_a_regression_of_ones_own_comes_with_its_ranges(kept, tmp_path, name):
    (tmp_path / "svm").write_bytes(REGRESSION.replace(b"0.05", b"0.1"))
    (tmp_path / "range").write_bytes(RANGES)
    with pytest.raises(InputError, match="svm: give the ranges of its features too"):
        kept.import_file(name, tmp_path / "svm", unverified=True)
    with pytest.raises(WeightsError, match="svm: its SHA-256 is"):
        kept.import_file(name, tmp_path / "svm", ranges=tmp_path / "range")
    assert kept.import_file(name, tmp_path / "svm", ranges=tmp_path / "range", unverified=True).state == "custom"
    found = row(kept, name)
    assert (found.description, found.licence, found.source) == (f"your own weights of {name}, from svm", "", "svm")
    convention = "matlab" if name == "brisque-authors" else "brisque"
    model = load_brisque(convention=convention, weights_dir=kept.folder)
    assert (model.gamma, model.high[35], model.convention) == (0.1, 72, convention)
    with pytest.raises(InputError, match="svm: give ranges, the file of the ranges of this model's features"):
        load_brisque(tmp_path / "svm", convention=convention)
    with pytest.raises(InputError, match="svm: give convention, 'matlab' or 'brisque'"):
        load_brisque(tmp_path / "svm", ranges=tmp_path / "range")


def test_ranges_that_are_not_the_published_ones(kept, files, capfd):
    (files / "allrange").write_bytes(RANGES.replace(b"36 -36 72", b"36 -36 73"))
    arguments = ["weights", "import", "brisque-authors", str(files / "allmodel"), "--ranges", str(files / "allrange")]
    arguments += ["--weights-dir", str(kept.folder)]
    assert main(arguments) == 2
    assert "allrange: its SHA-256 is" in capfd.readouterr().err
    assert main([*arguments, "--unverified"]) == 0
    assert row(kept, "brisque-authors").state == "custom"


def test_ranges_that_have_no_use(kept, files, monkeypatch):
    with pytest.raises(InputError, match=r"'niqe' has no ranges: leave .*allrange out"):
        kept.import_file("niqe", files / "allrange", ranges=files / "allrange", unverified=True)
    with pytest.raises(InputError, match="allrange: no such file: give the path of the ranges of 'brisque'"):
        kept.import_file("brisque", files / "allmodel", ranges=files / "no" / "allrange")
    with pytest.raises(InputError, match=r"ranges .*allrange go with a model"):
        load_brisque(ranges=files / "allrange", weights_dir=kept.folder)
    own = REGRESSION.replace(b"0.05", b"0.2")
    (files / "package").write_bytes(own)
    monkeypatch.setitem(
        CATALOGUE, "brisque", dataclasses.replace(CATALOGUE["brisque"], sha256=hashlib.sha256(own).hexdigest())
    )
    with pytest.raises(InputError, match="package: the published 'brisque' regression has its own ranges"):
        kept.import_file("brisque", files / "package", ranges=files / "allrange")
    assert kept.import_file("brisque", files / "package").state == "ready"
    for model in (load_brisque(weights_dir=kept.folder), load_brisque(files / "package")):
        assert (model.low[0], model.high[35], model.convention) == (0.336999, 0.534484, "brisque")


def test_statistics_of_photographs_go_under_the_name_of_their_convention(kept, tmp_path):
    names = {"niqe-authors": ("mu_prisparam", "cov_prisparam"), "niqe": ("pop_mu", "pop_cov")}
    for name, (mean, covariance) in names.items():
        scipy.io.savemat(tmp_path / f"{name}.mat", {mean: np.full((1, 36), 2.0), covariance: np.eye(36)})
    for name, other in (("niqe", "niqe-authors"), ("niqe-authors", "niqe")):
        with pytest.raises(WeightsError, match=f"{names[other][0]} .*; import them as {other}$"):
            kept.import_file(name, tmp_path / f"{other}.mat", unverified=True)
        kept.import_file(name, tmp_path / f"{name}.mat", unverified=True)
    for convention, name in NIQE_WEIGHTS.items():
        assert load_niqe(convention=convention, weights_dir=kept.folder).convention == convention
        assert load_niqe(tmp_path / f"{name}.mat").convention == convention
        with pytest.raises(WeightsError, match=f"not '{convention}'"):
            load_niqe(tmp_path / f"{({*names} - {name}).pop()}.mat", convention=convention)


def test_what_was_kept_before_is_not_believed(kept, files, monkeypatch):
    own = REGRESSION.replace(b"0.05", b"0.1")
    (files / "svm").write_bytes(own)
    kept.import_file("brisque", files / "svm", ranges=files / "allrange", unverified=True)
    index = kept.folder / "index.json"
    document = json.loads(index.read_text())
    document["weights"]["brisque"]["converter"] = 1  # without ranges
    index.write_text(json.dumps(document))
    monkeypatch.setitem(CATALOGUE, "brisque", dataclasses.replace(CATALOGUE["brisque"], package=("none-such", "x")))
    assert row(kept, "brisque").state == "missing"
    with pytest.raises(WeightsMissingError):
        load_brisque(weights_dir=kept.folder)


def test_both_files_of_the_authors_are_one_download(kept, files, monkeypatch):
    known = CATALOGUE["brisque-authors"]
    assert known.ranges is not None
    contents = {known.source: files / "allmodel", known.ranges.source: files / "allrange"}
    monkeypatch.setattr(store, "_fetch", lambda name, url, size, progress: contents[url].read_bytes())
    with pytest.raises(WeightsMissingError, match=r"run `jaxeval weights download brisque-authors`.*--ranges FILE`"):
        load_brisque(convention="matlab", weights_dir=kept.folder)
    assert main(["weights", "download", "brisque-authors", "--weights-dir", str(kept.folder)]) == 0
    assert load_brisque(convention="matlab", weights_dir=kept.folder).high[0] == 2


def template(**changes):
    """The cells of an IL-NIQE model of three components, as its authors' file has them."""
    rng = np.random.default_rng(4)
    parts = {
        "mean": rng.normal(size=(1, 3)),
        "covariance": np.diag([1.0, 2.0, 3.0]),
        "centre": rng.normal(size=(468, 1)),
        "components": rng.normal(size=(468, 3)),
        **changes,
    }
    cells = np.empty((1, len(parts)), object)
    cells[0] = list(parts.values())
    return cells


def test_statistics_of_il_niqe_are_imported_by_their_checksum(kept, tmp_path, monkeypatch):
    cells = template()
    scipy.io.savemat(tmp_path / "templateModel.mat", {"templateModel": cells}, do_compression=True)
    with pytest.raises(WeightsMissingError, match="run `jaxeval weights download ilniqe`"):
        load_ilniqe(weights_dir=kept.folder)
    arguments = ["weights", "import", "ilniqe", str(tmp_path / "templateModel.mat"), "--weights-dir", str(kept.folder)]
    assert main(arguments) == 2
    assert main([*arguments, "--unverified"]) == 0
    assert row(kept, "ilniqe").state == "custom"
    digest = hashlib.sha256((tmp_path / "templateModel.mat").read_bytes()).hexdigest()
    monkeypatch.setitem(CATALOGUE, "ilniqe", dataclasses.replace(CATALOGUE["ilniqe"], sha256=digest))
    assert main(arguments) == 0
    assert row(kept, "ilniqe").state == "ready"
    for model in (load_ilniqe(weights_dir=kept.folder), load_ilniqe(tmp_path / "templateModel.mat")):
        for name, cell in zip(("mean", "covariance", "centre", "components"), cells[0], strict=True):
            expected = cell.reshape(-1) if name in ("mean", "centre") else cell
            np.testing.assert_array_equal(getattr(model, name), expected)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"mu_prisparam": np.zeros((1, 36))}, "holds no templateModel of four cells"),
        ({"templateModel": np.zeros((1, 4))}, "holds no templateModel of four cells"),
        ({"templateModel": template()[:, :3]}, "holds no templateModel of four cells"),
        ({"templateModel": template(mean="no numbers")}, "no matrices of floating-point numbers"),
        ({"templateModel": template(mean=np.arange(3)[None])}, "no matrices of floating-point numbers"),
        ({"templateModel": template(centre=np.zeros((36, 1)))}, "not of 468 features"),
        ({"templateModel": template(covariance=np.eye(4))}, "not of 468 features"),
        ({"templateModel": template(covariance=np.full((3, 3), np.inf))}, "damaged: .* not finite"),
    ],
)
def test_files_that_hold_no_il_niqe_model(kept, tmp_path, variables, message):
    scipy.io.savemat(tmp_path / "other.mat", variables)
    with pytest.raises(WeightsError, match=rf"other\.mat: .*{message}"):
        load_ilniqe(tmp_path / "other.mat")
    with pytest.raises(WeightsError, match=message):
        kept.import_file("ilniqe", tmp_path / "other.mat", unverified=True)


def trees():
    """A model of NRQM of one tree each, which compares the last feature."""
    transforms, pyramid, patches = (one_split(count, 0.5 * count, 2.0, 7.0) for count in FEATURES)
    return NrqmModel(forests=(transforms, pyramid, patches), linear=np.array([0.5, 1.0, 2.0, 3.0]))


def test_forests_of_nrqm_are_imported_by_their_name_in_git(kept, tmp_path, monkeypatch, capfd):
    path = tmp_path / "model.mat"
    save_model(path, trees())
    with pytest.raises(WeightsMissingError, match=r"run `jaxeval weights download nrqm`, or get .*model\.mat on"):
        load_nrqm(weights_dir=kept.folder)
    arguments = ["weights", "import", "nrqm", str(path), "--weights-dir", str(kept.folder)]
    assert main(arguments) == 2
    # `git hash-object` of the file, as git's documentation has it.
    header = f"blob {path.stat().st_size}".encode() + b"\0"
    blob = hashlib.sha1(header + path.read_bytes()).hexdigest()
    expected = f"its git blob SHA-1 is {blob}, but that of the published 'nrqm' weights is {CATALOGUE['nrqm'].git_blob}"
    assert expected in capfd.readouterr().err
    assert main([*arguments, "--unverified"]) == 0
    assert row(kept, "nrqm").state == "custom"
    monkeypatch.setitem(CATALOGUE, "nrqm", dataclasses.replace(CATALOGUE["nrqm"], git_blob=blob))
    with pytest.raises(WeightsError, match="the published weights of 'nrqm', not of 'ilniqe'"):
        kept.import_file("ilniqe", path, unverified=True)
    assert main(arguments) == 0
    found = row(kept, "nrqm")
    assert (found.state, found.checksum, row(kept, "ilniqe").checksum) == ("ready", "git blob SHA-1", "SHA-256")
    capfd.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["weights", "list", "--weights-dir", str(kept.folder)]) == 0
    lines = {line.split()[0]: line for line in capfd.readouterr().out.splitlines() if line.strip()}
    assert "git blob SHA-1" in lines["nrqm"]
    assert "git blob SHA-1" not in lines["ilniqe"]
    assert all(one.state != "damaged" for one in kept.verify())
    for model in (load_nrqm(weights_dir=kept.folder), load_nrqm(path)):
        np.testing.assert_array_equal(model.linear, [0.5, 1, 2, 3])
        for forest, own in zip(model.forests, trees().forests, strict=True):
            for name in ("left", "right", "attribute", "threshold", "value"):
                np.testing.assert_array_equal(getattr(forest, name), getattr(own, name))


def test_downloads_of_unknown_size_are_known_by_their_name_in_git(kept, tmp_path, monkeypatch):
    save_model(tmp_path / "model.mat", trees())
    content = (tmp_path / "model.mat").read_bytes()
    monkeypatch.setattr(store.urllib.request, "urlopen", lambda *_, **__: io.BytesIO(content))
    with pytest.raises(WeightsError, match=f"its git blob SHA-1 is {git_blob(content)}"):
        kept.download("nrqm")
    monkeypatch.setitem(CATALOGUE, "nrqm", dataclasses.replace(CATALOGUE["nrqm"], git_blob=git_blob(content)))
    assert kept.download("nrqm").state == "ready"
    monkeypatch.setattr(store, "_MAX_FILE_BYTES", len(content) - 1)
    with pytest.raises(WeightsError, match="which no known checkpoint is"):
        kept.download("nrqm")


def test_git_names_files_so():
    # As `git hash-object` prints them: of an empty file, and of "hello" with a line's end.
    assert git_blob(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_blob(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_files_that_hold_no_nrqm_model(kept, tmp_path):
    path, sound = tmp_path / "other.mat", trees()
    crossed = dataclasses.replace(sound, linear=np.ones(4))
    object.__setattr__(crossed, "forests", sound.forests[::-1])

    def write(variables):
        scipy.io.savemat(path, variables)

    cases = [
        (lambda: write({"templateModel": template()}), "holds no model with rf and linear"),
        (lambda: write({"model": {"rf": np.zeros(3)}}), "holds no model with rf and linear"),
        (lambda: write({"model": {"rf": np.zeros(3), "linear": np.zeros(4)}}), r"model\.rf is not 3 cells"),
        (lambda: save_model(path, sound, forests=(*sound.forests[:2], None)), "no forest with lDau, rDau"),
        (lambda: save_model(path, sound, coef=np.array([0.5, 2.0])), "corrects its bias"),
        (lambda: save_model(path, sound, avnode=np.zeros((2, 1))), "of one shape"),
        (lambda: save_model(path, sound, rDau=np.array([[0], [0], [0]])), "damaged .*one daughter"),
        (lambda: save_model(path, sound, upper=np.full((3, 1), np.nan)), "damaged .*not finite"),
        (lambda: save_model(path, crossed), "damaged .*feature 75 of 18"),
    ]
    for make, message in cases:
        make()
        with pytest.raises(WeightsError, match=rf"other\.mat: .*{message}"):
            load_nrqm(path)
        with pytest.raises(WeightsError, match=message):
            kept.import_file("nrqm", path, unverified=True)
    save_model(path, sound, coef=np.zeros(2))
    assert len(load_nrqm(path).forests) == 3


def test_damaged_matlab_files_are_named(tmp_path):
    scipy.io.savemat(tmp_path / "whole.mat", {"templateModel": template()}, do_compression=True)
    content = (tmp_path / "whole.mat").read_bytes()
    changes = [
        content[:5000],
        content[:900] + b"\x00\xff" * 40 + content[980:],
        content[:129] + b"\xff" + content[130:],
    ]
    for damaged in (*changes, b"", b"MATLAB"):
        (tmp_path / "damaged.mat").write_bytes(damaged)
        for load in (load_ilniqe, load_niqe, load_nrqm):
            with pytest.raises(WeightsError, match=r"damaged\.mat: not a MATLAB file of version 7 or before"):
                load(tmp_path / "damaged.mat")
