import numpy as np
import pytest
from PIL import Image


def size(path):
    with Image.open(path) as picture:
        return picture.size


def test_a_grid_of_pictures_is_drawn(records, petals_root, tmp_path):
    status, out, err = records("show", petals_root, "--count=9", f"--out={tmp_path / 'grid.png'}")
    assert (status, err) == (0, "")
    assert out == f"written: {tmp_path / 'grid.png'} (9 of 40 records of 32 px train)\n"
    width, height = size(tmp_path / "grid.png")
    assert width == pytest.approx(2.5 * height, rel=0.2)  # 5 columns, 2 rows


def test_the_same_seed_shows_the_same_pictures(records, petals_root, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        records("show", petals_root, f"--seed={seed}", "--count=4", f"--out={tmp_path / name}.png")
    first, again, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == again != other


def test_augmented_pictures_stand_beside_the_originals(records, petals_root, tmp_path):
    shown = tmp_path / "pairs.png"
    assert records("show", petals_root, "--augment=study", "--count=1", f"--out={shown}")[0] == 0
    width, height = size(shown)
    assert width == pytest.approx(2 * height, rel=0.2)  # one pair
    picture = np.asarray(Image.open(shown).convert("RGB"), np.float64)
    left, right = picture[:, : width // 2], picture[:, width // 2 :]
    assert np.abs(left - right).mean() > 5


def test_classes_are_chosen_by_name(records, make_petals, tmp_path):
    root = make_petals(tmp_path / "petals", train=8, val=0, test=0, shards=1)
    out = records("show", root, "--classes=flower 1, flower 3", f"--out={tmp_path / 'some.png'}")[1]
    assert "4 of 8 records" in out


def test_a_test_split_shows_its_ids(records, petals_root, tmp_path):
    assert records("show", petals_root, "--split=test", "--count=2", f"--out={tmp_path / 'test.png'}")[0] == 0


def test_nothing_is_overwritten(records, petals_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert records("show", petals_root, "--count=1")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records-2.png", "records.png"]
    assert "is there already" in records("show", petals_root, "--out=records.png")[2]


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--count=0", "--count=0: must be at least 1"),
        ("--split=dev", "--split=dev: must be one of train, val, test"),
        ("--classes=flowr 1", "--classes=flowr 1: no such class: did you mean flower 1"),
        ("--augment=studdy", "--augment=studdy"),
    ],
)
def test_mistakes_are_one_line(records, petals_root, tmp_path, flag, said):
    status, _, err = records("show", petals_root, flag, f"--out={tmp_path / 'x.png'}")
    assert (status, len(err.splitlines())) == (2, 1)
    assert said in err
    assert list(tmp_path.iterdir()) == []
