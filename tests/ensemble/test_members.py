from dataclasses import replace

import numpy as np
import pytest

from lightning_flowers.compare.groups import group_runs
from lightning_flowers.ensemble.members import read_members
from lightning_flowers.ensemble.record import data_of
from lightning_flowers.errors import UserError
from lightning_flowers.run.folder import RunFolder
from lightning_flowers.run.predictions import Predictions


def change(path, split="val", **arrays):
    """Write other predictions of a split in a run's folder."""
    place = RunFolder(path).predictions(split)
    replace(Predictions.load(place), **arrays).save(place)


def load(path, split="val"):
    return Predictions.load(RunFolder(path).predictions(split))


def refusal(*paths):
    with pytest.raises(UserError) as caught:
        read_members(paths)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def pair(make_run):
    return make_run("a"), make_run("b", seed=1)


def test_members_are_stacked_in_the_order_given(pair):
    members = read_members(pair)
    assert members.names == ["a", "b"]
    for split, stack in (("val", members.val), ("test", members.test)):
        assert stack is not None
        for one, path in zip(stack.probabilities, pair, strict=True):
            assert np.array_equal(one, load(path, split).probabilities)
    assert members.labels.tolist() == load(pair[0]).labels.tolist()  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize("split", ["val", "test"])
def test_records_in_another_order_are_put_into_the_first_ones(pair, split):
    wanted = load(pair[1], split)
    shuffled = np.random.default_rng(0).permutation(len(wanted.ids))
    labels = None if wanted.labels is None else wanted.labels[shuffled]
    change(pair[1], split, ids=wanted.ids[shuffled], probabilities=wanted.probabilities[shuffled], labels=labels)
    members = read_members(pair)
    stack = members.val if split == "val" else members.test
    assert stack is not None
    assert np.array_equal(stack.probabilities[1], wanted.probabilities)
    assert stack.ids.tolist() == wanted.ids.tolist()


def test_runs_of_the_same_name_are_called_by_their_paths(pair, make_run):
    again = make_run("other/a")
    assert read_members([pair[0], again]).names == [str(pair[0]), str(again)]


def test_no_run_or_one_alone_is_no_blend(pair):
    assert refusal() == "ensemble: give run folders, such as runs/a runs/b"
    assert refusal(pair[0]) == f"{pair[0]}: one run alone is no blend: give another one too"


def test_a_run_given_twice_is_refused_also_by_another_path(pair, tmp_path):
    (tmp_path / "link").symlink_to(pair[0])
    assert refusal(*pair, pair[0]).startswith(f"{pair[0]}: given twice")
    assert refusal(*pair, tmp_path / "link").startswith(f"{tmp_path / 'link'}: given twice")


def test_what_is_no_run_is_refused(pair, tmp_path):
    assert refusal(pair[0], tmp_path / "none") == f"{tmp_path / 'none'}: no such folder"


@pytest.mark.parametrize("split", ["val", "test"])
def test_other_records_are_refused(pair, split):
    ids = load(pair[1], split).ids
    change(pair[1], split, ids=np.array(["zzz", *ids[1:]]))
    assert refusal(*pair).startswith(
        f"{pair[1]}: its {split} records are not those of {pair[0]}: 1 missing, 1 too many (such as {ids[0]})"
    )


def test_fewer_records_are_refused(pair):
    first = load(pair[1])
    assert first.labels is not None
    change(pair[1], ids=first.ids[2:], probabilities=first.probabilities[2:], labels=first.labels[2:])
    assert "2 missing, 0 too many (such as val0000)" in refusal(*pair)


def test_other_labels_are_refused(pair):
    labels = load(pair[1]).labels
    assert labels is not None
    change(pair[1], labels=np.where(np.arange(len(labels)) == 5, (labels + 1) % 4, labels))
    assert f"{pair[1]}: its val labels are not those of {pair[0]}: 1 differ, the first that of val0005" in refusal(
        *pair
    )


def test_other_numbers_of_classes_are_refused(pair):
    more = np.pad(load(pair[1]).probabilities, ((0, 0), (0, 1)))
    change(pair[1], probabilities=more)
    assert refusal(*pair) == f"{pair[1]}: has 5 classes, {pair[0]} has 4: blend runs of the same classes"


@pytest.mark.parametrize("names", [["rose", "lily", "iris", "tulip"], [f"flower {n}" for n in (1, 0, 2, 3)]])
def test_other_names_of_classes_are_refused(make_run, pair, names):
    other = make_run("other", data={"class_names": names})
    assert f"{other}: has other classes than {pair[0]}, or in another order" in refusal(pair[0], other)


def test_missing_predictions_are_refused(make_run, pair):
    RunFolder(pair[1]).predictions("val").unlink()
    assert "val.npz: no such predictions: make them with predict --run" in refusal(*pair)


@pytest.mark.parametrize("status", ["interrupted", "running"])
def test_a_run_cut_off_is_refused_without_predictions_only(make_run, pair, status):
    cut = make_run("cut off", status=status)
    assert len(read_members([*pair, cut]).runs) == 3
    RunFolder(cut).predictions("val").unlink()
    said = refusal(*pair, cut)
    assert said.startswith(f"{cut}: not finished ({status}) and without predictions: fit --resume '{cut}'")


def test_probabilities_that_are_no_numbers_are_refused(pair):
    broken = load(pair[1]).probabilities.copy()
    broken[3] = np.nan
    change(pair[1], probabilities=broken)
    assert f"{pair[1]}/predictions/val.npz: damaged (record val0003: its probabilities" in refusal(*pair)


def test_labels_are_needed(pair):
    change(pair[1], labels=None)
    assert "has no labels" in refusal(*pair)


def test_a_run_that_was_trained_on_val_is_refused(make_run, pair):
    final = make_run("final", data={"train_on": "train+val"})
    assert refusal(*pair, final).startswith(f"{final}: was trained on val too (train_on=train+val)")


def test_a_blend_is_refused_for_its_weights_were_fitted_on_val(make_run, pair):
    blend = make_run("blend")
    RunFolder(blend).write_summary({"backbone": "ensemble", "ensemble": {"method": "ranks"}})
    assert refusal(*pair, blend) == f"{blend}: is a blend, fitted on val: give its members instead"


def test_a_soup_is_refused_only_if_it_was_chosen_on_val(make_run, pair):
    soup = make_run("soup")
    RunFolder(soup).write_summary({"soup": {"method": "uniform", "macro_f1": 0.5}})
    assert len(read_members([*pair, soup]).runs) == 3
    RunFolder(soup).write_summary({"soup": {"method": "greedy", "macro_f1": 0.5}})
    wanted = f"{soup}: was chosen on val: give the greedy soup's members, or a uniform soup, instead"
    assert refusal(*pair, soup) == wanted


def test_other_predictions_of_a_run_stand_beside_it(make_run, pair):
    out = make_run("a-flips", seed=7)
    RunFolder(out).write_summary({"predictions_of": str(pair[0].resolve()), "predictions": {"tta": "flips"}})
    assert read_members([*pair, out]).names == ["a", "b", "a-flips"]


def test_test_is_blended_if_all_predict_it_and_refused_if_some_do(make_run, pair):
    without, neither = make_run("c", test=False), make_run("d", test=False)
    assert read_members([without, neither]).test is None
    assert f"{without}/predictions/test.npz: no such predictions" in refusal(*pair, without)


def test_a_blend_is_external_if_any_member_is(make_run, pair):
    assert data_of(read_members(pair)).external is False
    mixed = read_members([*pair, make_run("c", data={"external": True})])
    assert mixed.external
    assert data_of(mixed).external is True
    assert data_of(read_members([*pair, make_run("d", data={"external": None})])).external is None


def test_the_size_is_that_of_the_first_ones_pictures(make_run, pair, tmp_path):
    """Another size has other shards, so that all fingerprints differ."""
    other = {"root": str(tmp_path / "other"), "size": 64, "fingerprints": {"train": "a", "val": "b", "test": "c"}}
    larger = make_run("c", data=other)
    for runs, root, size in (((*pair, larger), "gone", 32), ((larger, *pair), "other", 64)):
        data = data_of(read_members(runs))
        assert (data.root, data.size) == (str(tmp_path / root), size)
        assert data.fingerprints == {}
        assert data.records == {"train": 40, "val": 80, "test": 9}


def test_the_data_are_what_members_agree_on(make_run, pair):
    data = data_of(read_members(pair))
    assert data.fingerprints == {"train": "t", "val": "v", "test": "x"}
    assert (data.size, data.classes, data.train_on) == (32, 4, "train")
    larger = {"size": 64, "fingerprints": {"train": "other", "val": "v", "test": "x"}}
    assert data_of(read_members([*pair, make_run("c", data=larger)])).fingerprints == {"val": "v", "test": "x"}


def grouped(members, of_blend):
    """Which of `compare`'s groups have the blend, and the members, in them."""
    blend = members[0].model_copy(update={"data": of_blend, "path": members[0].path / "blend"})
    groups = group_runs([*members, blend])
    return [
        [
            *sorted(run.path.name for row in group.rows if not row.of_study for run in row.runs),
            group.data == "data unknown",
        ]
        for group in groups
    ]


def test_compare_sets_a_blend_beside_members_of_the_same_data_only(make_run, pair):
    members = read_members(pair)
    assert grouped(members.runs, data_of(members)) == [["a", "b", "blend", False]]
    other = {"size": 64, "fingerprints": {"train": "a", "val": "b", "test": "c"}}
    mixed = read_members([*pair, make_run("c", data=other)])
    assert grouped(mixed.runs, data_of(mixed)) == [["a", "b", False], ["c", False], ["blend", True]]
