from lightning_flowers.data.tfrecord.writer import Record, write_shard


def test_counts_classes_sizes_features_and_first_records_are_told(records, petals_root):
    status, out, _ = records("inspect", petals_root, "--first=2")
    assert status == 0
    assert "4 classes" in out
    assert [line.split()[:4] for line in out.splitlines() if line.startswith("32  ")] == [
        ["32", "train", "3", "40"],
        ["32", "val", "2", "12"],
        ["32", "test", "2", "9"],
    ]
    assert "4 of 4   10 to 10" in out
    assert "32 px train: class (int64: 1 value), id (bytes: 9 long), image (bytes:" in out
    assert "00-32x32-14:1  train0001  1 flower 1" in out
    assert "JPEG 32x32" in out
    assert "odd" not in out
    assert "train0002" not in out


def test_what_is_odd_is_said_and_nothing_stops(records, make_petals, tmp_path):
    root = make_petals(tmp_path / "petals", train=40, val=0, test=9, classes=5)
    train = root / "tfrecords-jpeg-32x32" / "train"
    first, *_ = sorted(train.iterdir())
    first.write_bytes(first.read_bytes()[:-50])
    status, out, _ = records("inspect", root)
    assert status == 0
    assert "odd: 32 px has no val" in out
    assert "32 px train: damaged (see records verify): " in out
    assert "the file is cut after" in out
    assert "32 px test: id (bytes" in out


def test_classes_without_a_record_are_named(records, make_petals, tmp_path):
    root = make_petals(tmp_path / "petals", train=4, val=2, test=2, classes=4, shards=1)
    assert "odd: no record of flower 2, flower 3" in records("inspect", root, "--splits=val")[1]


def test_a_picture_that_is_none_is_said(records, make_petals, tmp_path):
    root = make_petals(tmp_path / "petals", val=0, test=0, shards=1)
    write_shard(root / "tfrecords-jpeg-32x32" / "val" / "00-32x32-1.tfrec", [Record(b"no picture", 0, "a")])
    out = records("inspect", root)[1]
    assert "no picture that can be read" in out


def test_mistakes_are_one_line(records, petals_root, tmp_path):
    for args, said in (
        (["inspect", tmp_path / "none"], f"{tmp_path / 'none'}: no such folder"),
        (["inspect", tmp_path], "no shards there"),
        (["inspect", petals_root, "--size=64"], "--size=64: "),
        (["inspect", petals_root, "--splits=train,dev"], "--splits=train,dev: 'dev' is none of train, val, test"),
        (["inspect", petals_root, "--sise=64"], "--sise"),
        (["inspect", "gs://bucket/petals"], "gs://bucket/petals: records reads folders and files of this host"),
        (["verify", "gs://bucket/petals"], "gs://bucket/petals: records reads folders and files of this host"),
        (["look", petals_root], "records look: no such command: use one of inspect,"),
    ):
        status, out, err = records(*args)
        assert (status, out) == (2, "")
        (line,) = err.splitlines()
        assert said in line
        assert "--data" not in line
