"""The competition's layout: what is found where, and what is said when it is not there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_flowers.data.conversion import opening
from lightning_flowers.data.conversion.opening import find_source
from lightning_flowers.data.sources.competition import competition_classes, open_source, read_labels
from lightning_flowers.errors import DataError

MakePetals = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with folders of 32, 192 and 512 px and no shards in them."""
    for size in (32, 192, 512):
        (tmp_path / "root" / f"tfrecords-jpeg-{size}x{size}" / "train").mkdir(parents=True)
    return tmp_path / "root"


def test_the_competition_has_104_classes_without_blanks_around_their_names() -> None:
    names = competition_classes()
    assert len(names) == len(set(names)) == 104
    assert all(name == name.strip() and name for name in names)
    assert (names[0], names[-1]) == ("pink primrose", "wild rose")


def test_the_sizes_present_are_found(root: Path) -> None:
    source = open_source(root)
    assert source.sizes == {size: root / f"tfrecords-jpeg-{size}x{size}" for size in (32, 192, 512)}


def test_the_size_nearest_to_224_is_the_default(root: Path) -> None:
    source = open_source(root)
    assert source.choose_size(None) == 192
    assert source.choose_size(512) == 512


def test_a_size_that_is_not_there_is_refused_with_those_that_are(root: Path) -> None:
    with pytest.raises(DataError, match=r"--data.size=224: .* only of 32, 192, 512 px"):
        open_source(root).choose_size(224)


def test_the_splits_present_are_found(root: Path) -> None:
    source = open_source(root)
    assert source.has("train", 32)
    assert not source.has("val", 32)


@pytest.mark.parametrize("name", ["tfrecords-jpeg-32x64", "tfrecords-jpeg-32", "tfrecords-png-32x32", "train"])
def test_other_folders_are_not_taken_for_shards(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"--data.root=.*: no shards there; a folder tfrecords-jpeg-SxS"):
        open_source(tmp_path)


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--data.root=.*nowhere: no such folder"):
        find_source(str(tmp_path / "nowhere"))


def test_a_file_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    with pytest.raises(DataError, match="not a folder"):
        find_source(str(tmp_path / "root"))


def test_a_root_may_itself_be_the_folder_of_one_size(petals_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = petals_root / "tfrecords-jpeg-32x32"
    source = open_source(folder)
    assert source.sizes == {32: folder}
    monkeypatch.chdir(folder)
    here = open_source(Path())
    assert here.has("train", 32)
    assert here.classes == source.classes == open_source(petals_root).classes
    assert here.sample_submission() is not None


@pytest.mark.parametrize("link", ["tfrecords-jpeg-32x32", "flowers"])
def test_a_folder_of_shards_may_be_a_link(petals_root: Path, tmp_path: Path, link: str) -> None:
    (tmp_path / link).symlink_to(petals_root / "tfrecords-jpeg-32x32")
    assert open_source(tmp_path).has("train", 32)
    assert open_source(tmp_path / link).has("train", 32)


def test_a_link_of_the_right_name_may_point_to_a_folder_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "anywhere" / "val").mkdir(parents=True)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "tfrecords-jpeg-64x64").symlink_to(tmp_path / "anywhere")
    assert open_source(tmp_path / "root").has("val", 64)


def test_a_tilde_is_the_home_folder(petals_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(petals_root.parent))
    assert find_source(f"~/{petals_root.name}").root == petals_root


def test_classes_are_those_of_classes_txt_in_the_root(petals_root: Path) -> None:
    assert open_source(petals_root).classes == ("flower 0", "flower 1", "flower 2", "flower 3")


def test_classes_beside_the_folder_of_one_size_count_for_it(root: Path) -> None:
    (root / "classes.txt").write_text("rose\ntulip\n")
    assert open_source(root / "tfrecords-jpeg-32x32").classes == ("rose", "tulip")
    (root / "tfrecords-jpeg-32x32" / "classes.txt").write_text("daisy\nlily\n")
    assert open_source(root / "tfrecords-jpeg-32x32").classes == ("daisy", "lily")


def test_without_classes_txt_they_are_the_competition_s(root: Path) -> None:
    assert open_source(root).classes == competition_classes()
    assert open_source(root / "tfrecords-jpeg-32x32").classes == competition_classes()


def test_classes_of_a_neighbour_are_not_taken(root: Path) -> None:
    (root.parent / "classes.txt").write_text("cat\ndog\n")
    assert open_source(root).classes == competition_classes()


def test_blanks_empty_lines_and_a_byte_order_mark_are_no_part_of_a_name(root: Path) -> None:
    (root / "classes.txt").write_bytes("\ufeffrose \r\n\r\n tulip\r\nKöpfchen".encode())
    assert open_source(root).classes == ("rose", "tulip", "Köpfchen")


@pytest.mark.parametrize("text", [b"", b"rose\n", b"rose\ntulip\nrose\n"])
def test_fewer_than_two_classes_or_one_twice_are_refused(root: Path, text: bytes) -> None:
    (root / "classes.txt").write_bytes(text)
    with pytest.raises(DataError, match=r"classes\.txt: must name two or more classes, one a line, each once"):
        open_source(root)


def test_classes_that_are_no_text_are_refused(root: Path) -> None:
    (root / "classes.txt").write_bytes(b"rose\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"classes\.txt: cannot be read as UTF-8 text"):
        open_source(root)


def test_the_sample_submission_is_found_where_there_is_one(petals_root: Path, root: Path) -> None:
    assert open_source(petals_root).sample_submission() == petals_root / "sample_submission.csv"
    assert open_source(root).sample_submission() is None


@pytest.mark.parametrize("present", [(0,), (1,), (2, 3), (1, 0)])
def test_the_first_of_kaggle_s_mounts_is_taken(
    make_petals: MakePetals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: tuple[int, ...]
) -> None:
    assert len(opening.KAGGLE_MOUNTS) == 4
    mounts = tuple(tmp_path / mount.relative_to("/") for mount in opening.KAGGLE_MOUNTS)
    for number in present:
        make_petals(mounts[number], train=2, val=0, test=0, shards=1)
    monkeypatch.setattr(opening, "KAGGLE_MOUNTS", mounts)
    assert find_source(None).root == mounts[min(present)]


def test_without_a_mount_the_demo_petals_are_taken(
    petals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "KAGGLE_MOUNTS", (tmp_path / "nowhere",))
    monkeypatch.setattr(opening.demo, "ensure", lambda: petals_root)
    assert find_source(None).root == petals_root


def test_a_root_given_comes_before_every_mount(petals_root: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "KAGGLE_MOUNTS", (petals_root,))
    assert find_source(str(root)).root == root


def test_labels_are_read_in_the_order_of_the_ids(petals_root: Path) -> None:
    assert read_labels(petals_root / "test_labels.csv", ["test0006", "test0000", "test0003"]) == [2, 0, 3]


def test_labels_of_a_spreadsheet_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfid,label,note\r\nrose, 3,\r\n007,1,secret\r\n")
    assert read_labels(path, ["007", "rose"]) == [1, 3]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "has no label for 2 of 2 records, the first: a"),
        (b"id,label\na,1\n", "has no label for 1 of 2 records, the first: b"),
        (b"id,class\na,1\nb,2\n", "not a readable CSV with the columns id and label: 'label'"),
        (b"a,1\nb,2\n", "not a readable CSV"),
        (b"id,label\na,rose\nb,2\n", "not a readable CSV .*'rose'"),
        (b"id,label\na,1.5\nb,2\n", "not a readable CSV .*'1.5' is a number, but no whole one"),
        (b"id,label\na\nb,2\n", "not a readable CSV"),
        (b"id,label\na,\nb,2\n", "not a readable CSV"),
        (b"id,label\na,1\nb,2\na,3\n", "line 4: the id 'a' stands a second time"),
        (b"id,label\n\xff,1\n", "not a readable CSV .*utf-8"),
        (b"id,label\n" + b"a" * 200_000 + b",1\n", "not a readable CSV .*field larger"),
    ],
    ids=["empty", "incomplete", "column", "no header", "word", "float", "short", "blank", "twice", "not text", "long"],
)
def test_a_file_that_is_no_list_of_labels_is_refused(tmp_path: Path, text: bytes, what: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(text)
    with pytest.raises(DataError, match=rf"labels\.csv: {what}"):
        read_labels(path, ["a", "b"])


def test_a_file_of_labels_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv: not a readable CSV .*No such file"):
        read_labels(tmp_path / "labels.csv", ["a"])
