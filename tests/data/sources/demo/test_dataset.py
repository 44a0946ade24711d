"""The demo data set: its layout, its bytes, and that `ensure` makes it once."""

import csv
import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from lightning_flowers.data.sources.demo import dataset
from lightning_flowers.data.sources.demo.species import SPECIES
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.data.splits.split import Split
from lightning_flowers.errors import UserError

COUNTS = {"train": 2, "val": 1, "test": 1}

Contents = dict[str, tuple[bytes, int, int]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "PICTURES_PER_SPECIES", COUNTS)
    monkeypatch.setattr(dataset, "SHARDS", 2)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of one colour, quickly drawn, where only the files matter."""

    def draw(species: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        return np.full((size, size, 3), rng.integers(256, size=3), np.uint8)

    monkeypatch.setattr(dataset, "draw_flower", draw)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of drawn flowers, for reading only."""
    root = tmp_path_factory.mktemp("flowers") / "petals"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "PICTURES_PER_SPECIES", COUNTS)
        patch.setattr(dataset, "SHARDS", 2)
        dataset.write(root, seed=3)
    return root


def contents(root: Path) -> Contents:
    """Of each file in root by its name: hash, inode and time."""
    return {
        str(path.relative_to(root)): (hashlib.sha256(path.read_bytes()).digest(), stat.st_ino, stat.st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and (stat := path.stat())
    }


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def split(root: Path, name: str) -> Split:
    return open_split(root / "tfrecords-jpeg-192x192" / name, 192, len(SPECIES), labelled=name != "test")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def holdings(root: Path) -> dict[str, object]:
    """All that a data set says; of records what they hold, as protobuf orders their features anew in each process."""
    splits = {name: split(root, name) for name in COUNTS}
    return {
        **{path.name: path.read_bytes() for path in root.iterdir() if path.is_file()},
        **{f"{name} pictures": [bytes(of.image_bytes(i)) for i in range(len(of))] for name, of in splits.items()},
        **{f"{name} labels": of.labels.tolist() for name, of in splits.items()},
        **{f"{name} ids": of.ids.tolist() for name, of in splits.items()},
    }


def test_same_seed_gives_the_same_bytes_and_another_others(flowers: Path, tmp_path: Path) -> None:
    dataset.write(tmp_path / "same", seed=3)
    assert holdings(tmp_path / "same") == holdings(flowers)
    dataset.write(tmp_path / "other", seed=4)
    others, ours = holdings(tmp_path / "other"), holdings(flowers)
    assert {key for key in ours if others[key] == ours[key]} == {"classes.txt", "pictures.csv", "test labels"}


def test_layout_is_the_competitions(flowers: Path) -> None:
    assert set(contents(flowers)) == {
        "classes.txt",
        "pictures.csv",
        "sample_submission.csv",
        "test_labels.csv",
        "tfrecords-jpeg-192x192/train/00-192x192-16.tfrec",
        "tfrecords-jpeg-192x192/train/01-192x192-16.tfrec",
        "tfrecords-jpeg-192x192/val/00-192x192-8.tfrec",
        "tfrecords-jpeg-192x192/val/01-192x192-8.tfrec",
        "tfrecords-jpeg-192x192/test/00-192x192-8.tfrec",
        "tfrecords-jpeg-192x192/test/01-192x192-8.tfrec",
    }
    assert (flowers / "classes.txt").read_text("utf-8").splitlines() == [species.name for species in SPECIES]


@pytest.mark.parametrize(("name", "per_species"), [("train", 2), ("val", 1)])
def test_labelled_splits_have_every_species_alike_and_shuffled(flowers: Path, name: str, per_species: int) -> None:
    labels = split(flowers, name).labels
    assert np.bincount(labels, minlength=16).tolist() == [per_species] * 16
    assert labels.tolist() != sorted(labels.tolist())


def test_test_labels_are_in_their_table_alone(flowers: Path) -> None:
    unlabelled = split(flowers, "test")
    assert set(unlabelled.labels) == {-1}
    with pytest.raises(UserError, match="class"):
        open_split(Path(unlabelled.name), 192, len(SPECIES), labelled=True)
    sample, labels = table(flowers / "sample_submission.csv"), table(flowers / "test_labels.csv")
    assert [row["id"] for row in sample] == [row["id"] for row in labels] == unlabelled.ids.tolist()
    assert {row["label"] for row in sample} == {"0"}
    assert sorted(int(row["label"]) for row in labels) == list(range(16))


def test_ids_are_unique_over_all_splits(flowers: Path) -> None:
    ids = [identity for name in COUNTS for identity in split(flowers, name).ids.tolist()]
    assert len(set(ids)) == len(ids) == 64


def test_pictures_are_jpegs_of_the_size_in_the_name(flowers: Path) -> None:
    train = split(flowers, "train")
    pictures = [simplejpeg.decode_jpeg(bytes(train.image_bytes(position))) for position in range(len(train))]
    assert {picture.shape for picture in pictures} == {(192, 192, 3)}
    assert len({picture.tobytes() for picture in pictures}) == len(train)


def test_ensure_makes_the_data_set_and_its_parents_and_says_where(
    plain: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "deep" / "petals"
    assert dataset.ensure(root) == root
    assert f"once, into {root}\n" in capsys.readouterr().err
    assert names(root.parent) == ["petals"]


def test_ensure_uses_the_cache_folder(plain: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    assert dataset.ensure() == tmp_path / "lightning_flowers" / f"demo-petals-{dataset.VERSION}"


def test_ensure_leaves_a_whole_data_set_untouched(plain: None, tmp_path: Path) -> None:
    before = contents(dataset.ensure(tmp_path / "petals"))
    assert contents(dataset.ensure(tmp_path / "petals")) == before


def test_parent_that_is_a_file_is_refused(plain: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"file/petals: the demo petals cannot be written there: .*XDG_CACHE_HOME"):
        dataset.ensure(tmp_path / "file" / "petals")
    assert names(tmp_path) == ["file"]


def test_file_in_the_data_sets_place_is_refused_and_kept(plain: None, tmp_path: Path) -> None:
    (tmp_path / "petals").write_text("mine")
    with pytest.raises(UserError, match=r"petals: the demo petals cannot be written there"):
        dataset.ensure(tmp_path / "petals")
    assert (tmp_path / "petals").read_text() == "mine"
    assert names(tmp_path) == ["petals"]


@pytest.mark.parametrize(
    ("error", "seen", "message"),
    [
        (OSError(28, "No space left on device"), UserError, "petals: .*No space left"),
        (shutil.Error("no number"), UserError, "petals: .*no number"),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
    ],
)
def test_nothing_is_left_of_a_failure(
    plain: None,
    error: BaseException,
    seen: type[BaseException],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(dataset, "convert", fail)
    with pytest.raises(seen, match=message):
        dataset.ensure(tmp_path / "petals")
    assert names(tmp_path) == []


def test_ensure_at_once_draws_once_and_ends_with_one_whole_data_set(
    plain: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, write, barrier, written = tmp_path / "petals", dataset.write, Barrier(2), list[Path]()

    def write_noted(folder: Path) -> None:
        written.append(folder)
        write(folder)

    def ensure_together(folder: Path) -> Path:
        barrier.wait(10)
        return dataset.ensure(folder)

    monkeypatch.setattr(dataset, "write", write_noted)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ensure_together, [root, root])) == [root, root]
    assert len(split(root, "train")) == 32
    assert len(written) == 1
    assert names(tmp_path) == ["petals"]
