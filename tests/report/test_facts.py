import pytest

from lightning_flowers.cli.commands import command
from lightning_flowers.report import facts
from lightning_flowers.run.results import Data, Run, read_run
from lightning_flowers.secrets import redact


@pytest.mark.parametrize(
    ("changes", "external", "said"),
    [
        ({}, False, ["clean: only this data set", "finished"]),
        ({}, True, ["EXTERNAL data: trained on other data sets too", "finished"]),
        ({}, None, ["clean or EXTERNAL: unknown", "finished"]),
        ({"status": "running"}, False, ["clean: only this data set", "running or killed, after 3 of 3 epochs"]),
        ({"status": "interrupted"}, False, ["clean: only this data set", "interrupted, after 3 of 3 epochs"]),
        ({"status": None}, False, ["clean: only this data set", "status unknown, after 3 of 3 epochs"]),
        (
            {"data": {"train_on": "train+val"}},
            False,
            ["clean: only this data set", "finished", "not validated: trained on train+val"],
        ),
    ],
)
def test_badges(make_run, changes, external, said):
    found = facts.badges(read_run(make_run(**changes)), external)
    assert [badge.text for badge in found] == said
    assert [badge.kind for badge in found] == [
        "good" if badge.text in ("clean: only this data set", "finished") else "warning" for badge in found
    ]


def test_a_run_without_a_val_score_is_not_validated(make_run):
    run = read_run(make_run(metrics="epoch,train_loss\n1,2.0\n", best=None))
    assert facts.badges(run, False)[-1].text == "not validated"
    assert facts.best_scores(run) == []


def test_figures_of_the_training(make_run):
    found = {fact.key: fact.text for fact in facts.training(read_run(make_run()))}
    assert found == {
        "seconds-per-epoch": "35.0",
        "images-per-second": "25.0",
        "parameters": "18,292,712",
        "epochs": "3 of 3",
        "best-epoch": "2",
    }


def test_the_figures_of_a_single_epoch_say_so(make_run):
    run = read_run(make_run(metrics="epoch,seconds,images_per_second\n1,20,30\n"))
    assert [fact.label for fact in facts.training(run)][:2] == [
        "seconds per epoch, of the only epoch",
        "images/s, of the only epoch",
    ]


def test_what_is_unknown_is_a_dash(tmp_path):
    run = Run(path=tmp_path)
    assert {fact.text for fact in facts.hardware(run)} == {"-"}
    assert facts.splits(run) == []
    assert facts.subtitle(run) == ""


def test_the_subtitle_tells_what_was_trained(tmp_path):
    data = Data(size=224, classes=104, folds=5, fold=2)
    run = Run(path=tmp_path, backbone="xception", trainable=False, seed=3, data=data)
    assert facts.subtitle(run) == "xception, head only, frozen backbone, 224 px, 104 classes, fold 2 of 5, seed 3"


def test_splits_have_their_records_fingerprints_and_bad_ones(tmp_path):
    data = Data(records={"train": 12753}, fingerprints={"train": "a1", "val": "b2"}, bad_records={"val": ["x", "y"]})
    assert facts.splits(Run(path=tmp_path, data=data)) == [("train", "12,753", "a1", "0"), ("val", "-", "b2", "2")]


def test_a_command_can_be_pasted_into_a_shell():
    line = command("fit", "--config", "my runs/a'b/config.yaml")
    assert line == """python -m lightning_flowers fit --config 'my runs/a'"'"'b/config.yaml'"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("root: s3://me:secret@host/petals", "root: s3://...@host/petals"),
        ("root: https://me:p@ss:w?rd@host/petals", "root: https://...@host/petals"),
        ("https://host/a.tfrec?token=secret&x=1", "https://host/a.tfrec?..."),
        ("https://me:secret@host/a?key=secret: not found", "https://...@host/a?...: not found"),
        ("- 'https://host/a?X-Goog-Signature=se''cret'", "- 'https://host/a?...'"),
        ('["https://host/a?secret","https://host/b?secret"]', '["https://host/a?..."]'),
        ("https://host/a@b/c: what? me@host", "https://host/a@b/c: what? me@host"),
        ("https://host/petals and /a?b@c", "https://host/petals and /a?b@c"),
    ],
)
def test_passwords_and_queries_of_urls_are_left_out(text, shown):
    assert redact(text) == shown


def test_class_names_that_do_not_fit_are_not_used():
    assert facts.class_names(["a", "b"], 2) == ("a", "b")
    assert facts.class_names(["a", "b"], 3) == ("class 0", "class 1", "class 2")
