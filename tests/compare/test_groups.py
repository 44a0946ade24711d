import pytest

from lightning_flowers.compare.groups import group_runs
from lightning_flowers.run.results import read_run

ALL = "512 px, 12,753 train and 3,712 val records of 104 classes"


@pytest.fixture
def groups(make_run):
    """The groups of two runs `a0` and `a1`, and of the others that are given as arguments of `make_run`."""

    def groups(**others):
        paths = [make_run("a0"), make_run("a1", seed=1)]
        return group_runs(map(read_run, [*paths, *(make_run(name, **changes) for name, changes in others.items())]))

    return groups


def models(group):
    return [row.model for row in group.rows]


def test_runs_on_the_same_data_are_one_group_with_the_studys_row(groups):
    (group,) = groups(b={"backbone": "xception", "timm_name": "legacy_xception.tf_in1k"}, c={"settings": {"lr": 1}})
    assert group.first
    assert group.data == "512 px, 12,753 train and 3,712 val records of 104 classes"
    # The study stands once for each backbone, under the best of ours.
    assert models(group) == [
        "densenet201", "DenseNet201 (the study)", "xception", "Xception (the study)", "densenet201",
    ]  # fmt: skip
    assert {row.marks for row in group.rows if row.of_study} == {("same records",)}
    assert group.is_the_studys


def test_runs_are_set_beside_each_other_by_content_whatever_the_names(groups):
    data = [{"fingerprints": {"train": f"{name}-same", "val": f"{name}-same"}} for name in ("listed", "packed")]
    apart = groups(b={"data": data[0], "seed": 1}, c={"data": data[1], "seed": 2})[1]
    assert [len(row.runs) for row in apart.rows if not row.of_study] == [2], "one row of two seeds"


def test_runs_with_shifted_labels_stand_apart_from_those_of_the_same_names(groups):
    known, shifted = ({"fingerprints": {"train": f"t-{labels}", "val": "v-v"}} for labels in ("known", "shifted"))
    found = groups(b={"data": known}, c={"data": shifted})
    assert [group.data for group in found[1:]] == [f"{ALL}, but other ones"] * 2


def test_data_of_as_many_records_as_those_of_another_table_than_the_first_are_told_to_be_other_ones(groups):
    other, more = ({"data": {"size": 224, "fingerprints": {"train": name, "val": name}}} for name in ("t2", "t3"))
    smaller = ALL.replace("512", "224")
    assert [group.data for group in groups(b=other, c=more)] == [ALL, smaller, f"{smaller}, but other ones"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"size": 224, "fingerprints": {"train": "t2", "val": "v2"}}, ALL.replace("512", "224")),
        ({"fingerprints": {"train": "t", "val": "v2"}}, f"{ALL}, but other ones"),
        ({"train_on": "train+val", "fingerprints": {"train": "t2"}}, f"{ALL}, trained on train+val"),
        ({"folds": 5, "fold": 1, "fingerprints": {"train": "t2", "val": "v2"}}, f"{ALL}, fold 1 of 5"),
        ({"external": True, "fingerprints": {"train": "t2", "val": "v"}}, f"{ALL}, external data"),
        ({"external": None}, f"{ALL}, unknown whether external"),
        (
            {"size": 224, "records": {"train": 9, "val": 3}, "fingerprints": {"train": "t2"}, "classes": 4},
            "224 px, 9 train and 3 val records of 4 classes",
        ),
        ({"fingerprints": {}}, "data unknown"),
    ],
)
def test_what_cannot_be_compared_stands_apart_and_says_what_it_is_of(groups, data, said):
    first, apart = groups(b={"data": data})
    assert (first.data, apart.data) == (ALL, said)
    assert [run.path.name for row in first.rows if not row.of_study for run in row.runs] == ["a0", "a1"]
    assert "not comparable" in apart.rows[0].marks
    assert all(row.comparable for row in first.rows)
    assert not any(row.comparable for row in apart.rows)


def test_a_run_on_a_part_of_the_batches_stands_apart(make_run):
    whole, part = make_run("whole"), make_run("part", limits={"limit_val_batches": 0.5})
    _, apart = group_runs([read_run(whole), read_run(part)])
    assert apart.data == f"{ALL}, limit_val_batches=0.5"
    assert not apart.is_the_studys


def test_runs_that_do_not_say_their_data_are_like_no_other(groups):
    assert len(groups(b={"data": {"fingerprints": {}}}, c={"data": {"fingerprints": {}}})) == 3


def test_the_largest_group_comes_first(make_run):
    paths = [make_run("small", data={"size": 224}), make_run("a"), make_run("b")]
    assert [group.data[:6] for group in group_runs(map(read_run, paths))] == ["512 px", "224 px"]


def test_the_studys_row_says_where_its_data_are_others(groups):
    _, apart = groups(b={"data": {"size": 224}})
    assert [row.marks for row in apart.rows] == [("clean", "not comparable"), ("other data or size",)]
