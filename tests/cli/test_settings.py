"""Settings that would be ignored are refused by name, before anything is made."""

import pytest

from lightning_flowers.__main__ import MISUSED, main

TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--data.batch_size=8", "--data.threads=2",
    "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.max_epochs=1",
]  # fmt: skip
FROZEN = ["--model.freeze_backbone=true", "--data.augment=none"]


@pytest.mark.parametrize(
    ("flags", "named", "mend"),
    [
        (["--data.cache_dir=kept"], "--data.cache_dir=kept", "--data.cache=disk"),
        (["--data.cache_dir=kept", "--data.cache=ram"], "--data.cache_dir=kept", "--data.cache=disk"),
        ([*FROZEN, "--data.cache=disk"], "--data.cache=disk", "--model.feature_cache=false"),
        ([*FROZEN, "--data.cache=ram"], "--data.cache=ram", "--model.feature_cache=false"),
        ([*FROZEN, "--model.compile=true"], "--model.compile=True", "leave it out"),
        ([*FROZEN, "--model.grad_checkpointing=true"], "--model.grad_checkpointing=True", "--model.freeze_backbone"),
        (["--data.remote_limit=1000"], "--data.remote_limit=1000", "URL"),
        (["--data.features.label=kind"], "--data.features={'label': 'kind'}", "these are shards"),
        (["--model.schedule=starter", "--model.warmup_epochs=3"], "--model.warmup_epochs=3.0", "leave it out"),
        ([*FROZEN, "--model.head_epochs=1"], "--model.head_epochs=1", "--model.freeze_backbone=true"),
        ([*FROZEN, "--model.drop_path=0.1"], "--model.drop_path=0.1", "--model.freeze_backbone=true"),
        ([*FROZEN, "--model.layer_decay=0.8"], "--model.layer_decay=0.8", "--model.freeze_backbone=true"),
        (["--model.feature_views=2"], "--model.feature_views=2", "--model.freeze_backbone=true"),
        ([*FROZEN, "--model.feature_views=2"], "--model.feature_views=2", "--data.augment"),
        (
            ["--model.freeze_backbone=true", "--model.feature_views=2", "--model.mixup=0.2"],
            "--model.feature_views=2",
            "--model.mixup",
        ),
        (["--data.balance=1", "--trainer.overfit_batches=2"], "--data.balance=1.0", "--trainer.overfit_batches"),
        (["--trainer.default_root_dir=elsewhere"], "--trainer.default_root_dir=elsewhere", "--runs_dir"),
        (["--trainer.gradient_clip_algorithm=norm"], "--trainer.gradient_clip_algorithm=norm", "gradient_clip_val"),
        (["--save_top_k=2", "--data.train_on=train+val"], "--save_top_k=2", "leave it out"),
        (["--trainer.callbacks+=LearningRateFinder"], "--trainer.callbacks", "--model.lr"),
        (["--trainer.callbacks+=BatchSizeFinder"], "--trainer.callbacks", "--data.batch_size"),
    ],
)
def test_a_setting_without_effect_is_refused(tmp_path, monkeypatch, capsys, petals_root, flags, named, mend):
    monkeypatch.chdir(tmp_path)
    status = main(["fit", *TINY, f"--data.root={petals_root}", *flags])
    err = capsys.readouterr().err
    assert status == MISUSED
    assert len(err.splitlines()) == 1
    assert err.startswith(f"lightning_flowers: {named}: would have no effect: ")
    assert mend in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flag", ["--model.loss=logit_adjusted", "--model.class_balance=0.9"])
def test_classes_are_not_balanced_twice(capsys, petals_root, flag):
    assert main(["fit", *TINY, f"--data.root={petals_root}", "--data.balance=0.5", flag]) == MISUSED
    assert "--data.balance=0.5: classes would be balanced twice: leave" in capsys.readouterr().err


def test_settings_of_a_run_that_is_used_again_are_taken_as_they_are(tmp_path, monkeypatch, capsys, petals_root):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *TINY, f"--data.root={petals_root}", "--name=old", "--data.cache=none"]) == 0
    config = tmp_path / "runs/old/config.yaml"  # as an older version may have left it
    config.write_text(config.read_text("utf-8").replace("feature_views: 0", "feature_views: 2"), "utf-8")
    assert main(["validate", "--run=runs/old"]) == 0
    assert main(["validate", "--run=runs/old", "--data.remote_limit=1000"]) == MISUSED
    assert "--data.remote_limit=1000: would have no effect" in capsys.readouterr().err
    assert main(["fit", "--resume=runs/old", "--runs_dir=elsewhere"]) == MISUSED
    assert "--runs_dir=elsewhere: would have no effect" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--data.cache=disk", "--data.cache_dir=kept"], ["--model.warmup_epochs=0.5"]])
def test_beside_what_it_needs_a_setting_passes(tmp_path, monkeypatch, petals_root, flags):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *TINY, f"--data.root={petals_root}", "--trainer.fast_dev_run=true", *flags]) == 0
