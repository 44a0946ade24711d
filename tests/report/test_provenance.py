import pytest

from lightning_flowers.report import provenance
from lightning_flowers.run.epochs import Epoch
from lightning_flowers.run.results import BlendInfo, PredictionInfo, Run, SoupInfo

ADJUSTED = PredictionInfo(decision="adjusted", adjustment={"cross_validated": 0.71234, "plain": 0.7, "tau": 1.0})


@pytest.fixture
def make(tmp_path):
    """A run in a folder of two words."""
    return lambda **known: Run(path=tmp_path / "a run", **known)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, []),
        ({"predictions": PredictionInfo()}, []),
        ({"predictions": PredictionInfo(tta="flips")}, [("plain", "views: flips")]),
        ({"predictions": ADJUSTED}, [("plain", "decided: adjusted logits")]),
        ({"ensemble": BlendInfo()}, []),
        (
            {"ensemble": BlendInfo(decision="adjusted", warning="worse")},
            [("plain", "decided: adjusted logits"), ("warning", "worse")],
        ),
    ],
)
def test_badges(make, known, said):
    assert provenance.badges(make(**known)) == said


def test_a_blend_has_its_cross_validated_scores_and_other_runs_have_none(make):
    blend = BlendInfo(macro_f1_in_sample=0.9, macro_f1_cross_validated=0.8, macro_f1_of_best_run_cross_validated=0.85)
    found = {fact.key: (fact.label, fact.text) for fact in provenance.scores(make(ensemble=blend))}
    assert found == {
        "macro-f1-cross-validated": ("macro F1, cross-validated within val", "0.8000"),
        "best-run-cross-validated": ("the same of the best run by itself", "0.8500"),
    }
    assert [fact.text for fact in provenance.scores(make(ensemble=BlendInfo()))] == ["-", "-"]
    assert provenance.scores(make(predictions=PredictionInfo(), soup=SoupInfo(method="greedy"))) == []


def test_a_blend_is_said_to_be_fitted_where_its_weights_were_searched_for(make):
    (note,) = provenance.notes(make(ensemble=BlendInfo()))
    assert "fitted on these val records" in note
    for weights in ("equal", "given"):
        assert provenance.notes(make(ensemble=BlendInfo(weights=weights))) == []


def test_only_a_greedy_soup_was_chosen_on_val(make):
    (note,) = provenance.notes(make(soup=SoupInfo(method="greedy", macro_f1=0.8)))
    assert note == "The members of the soup were chosen on these val records: expect less on other records."
    assert provenance.notes(make(soup=SoupInfo(method="uniform", macro_f1=0.8))) == []


def test_the_best_of_several_epochs_is_said_to_be_chosen_on_val(make):
    epochs = (Epoch(epoch=1, val_macro_f1=0.8), Epoch(epoch=2, val_macro_f1=0.9))
    (note,) = provenance.notes(make(best=epochs[1], history=epochs))
    assert note.startswith("The best epoch was chosen by these val records")
    assert provenance.notes(make(best=epochs[0], history=epochs[:1])) == []
    assert provenance.notes(make(history=epochs)) == []  # without validation


def test_adjusted_labels_are_said_not_to_be_what_is_scored(make):
    (note,) = provenance.notes(make(predictions=ADJUSTED))
    assert note.startswith("These scores are of the most probable classes")
    assert note.endswith("the labels of the submission are of adjusted logits.")
    note = provenance.notes(make(ensemble=BlendInfo(decision="adjusted")))[-1]
    assert note.endswith("adjusted logits, as are the cross-validated figures.")


def test_predictions_in_a_folder_of_their_own_are_repeated_by_predicting(make):
    run = make(predictions_of="/runs/one", predictions=PredictionInfo(tta="flips"), command="of the soup that it was")
    predict = "python -m lightning_flowers predict --run /runs/one --tta=flips --decision=argmax"
    assert provenance.repeat(run) == f"{predict} '--out={run.path}'"
    run = make(predictions_of="/runs/one/last.ckpt")
    assert "predict --ckpt_path /runs/one/last.ckpt --tta=none" in provenance.repeat(run)


def test_a_run_is_repeated_by_what_made_it_and_then_its_predictions(make):
    run = make(predictions=PredictionInfo(tta="dihedral", decision="adjusted"))
    fit = f"python -m lightning_flowers fit --config '{run.path}/config.yaml'"
    predict = f"python -m lightning_flowers predict --run '{run.path}' --tta=dihedral --decision=adjusted"
    assert provenance.repeat(run) == f"{fit}\n{predict}"
    assert provenance.repeat(make()) == provenance.repeat(make(predictions=PredictionInfo())) == fit
    assert (
        provenance.repeat(make(command="soup", predictions=PredictionInfo(tta="dihedral", decision="adjusted")))
        == f"soup\n{predict}"
    )
