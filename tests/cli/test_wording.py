"""What is wrong with a setting is said in one short line that names the flag, whatever it is a setting of."""

import pytest
from pytorch_lightning.loggers import CSVLogger

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.cli.wording import in_short

EARLY = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val_loss"]
CLASS = "give a class of Lightning's by its name, another as package.module.Class"
MONITORLESS = "--trainer.callbacks: EarlyStopping: the following arguments are required: monitor"


class Offline(CSVLogger):
    """Fails to start, and says more than anyone reads."""

    def __init__(self, url: str) -> None:
        raise ValueError(f"cannot reach {url}:" + " retried" * 500)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--trainer.callbacks+=EarlyStopping"], MONITORLESS),
        (['--trainer.callbacks=[{"class_path": "EarlyStopping"}]'], MONITORLESS),
        (["--trainer.logger=CSVLogger"], "--trainer.logger: CSVLogger: the following arguments are required: save_dir"),
        (
            ["--trainer.callbacks+=EarlyStoping"],
            f"--trainer.callbacks=EarlyStoping: Expected a dot import path string: EarlyStoping: {CLASS}",
        ),
        (
            ["--trainer.logger=no.such.Logger"],
            "--trainer.logger=no.such.Logger: Problem with given class_path 'no.such.Logger': No module named 'no'",
        ),
        (
            ["--trainer.callbacks+=pathlib.Path"],
            "--trainer.callbacks=pathlib.Path: Import path does not correspond to a subclass of Callback",
        ),
        ([*EARLY, "--trainer.callbacks.patience=often"], "--trainer.callbacks.patience=often: must be int"),
        (
            [*EARLY, "--trainer.callbacks.patienc=3"],
            "--trainer.callbacks: Option 'patienc' is not accepted: did you mean --patience?",
        ),
        (["--batch_size=8"], "unrecognized arguments: --batch_size=8: did you mean --data.batch_size?"),
        (
            ["--data=/kaggle/input/x"],
            "--data=/kaggle/input/x: no YAML of settings: did you mean --data.root=/kaggle/in",
        ),
        (["--model=resnet18"], "--model=resnet18: no YAML of settings: did you mean --model.backbone=resnet18?"),
        (["--rseume=x"], "unrecognized arguments: --rseume=x: did you mean --resume"),
        (["--trainer.max_epochs=many"], "--trainer.max_epochs=many: must be int or null"),
        (["--model.lr=inf"], "--model.lr=inf: must be float, and finite"),
        (["--hours=nan"], "--hours=nan: must be float or null, and finite"),
        (["--model={lr: fast}"], "--model.lr=fast: must be float"),
        (["--model.hidden=16"], "--model.hidden=16: must be a list in brackets"),
        (["--model={lr: fast, backbone: " + 300 * "x" + "}"], "--model.lr=fast: must be float"),
        (["--data.cache=nowhere"], "--data.cache=nowhere: must be auto, ram, disk, none"),
        # What the class itself says, when it is made:
        ([*EARLY, "--trainer.callbacks.mode=up"], "--trainer.callbacks: EarlyStopping: `mode` can be min, max, got up"),
        (
            ["--trainer.logger=tests.cli.test_wording.Offline", "--trainer.logger.url=https://me:planted@host"],
            "--trainer.logger: Offline: cannot reach https://...@host",
        ),
    ],
)
def test_a_setting_is_refused_by_its_flag_in_one_short_line(petals_root, tmp_path, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", f"--data.root={petals_root}", "--model.weights=none", *flags]) == MISUSED
    err = capsys.readouterr().err
    assert err.startswith(f"lightning_flowers: {said}")
    assert len(err) < 530
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {batchsize: 4}", "own.yaml: no setting data.batchsize: did you mean --data.batch_size"),
        ("data: {batch_size: many}", "own.yaml: --data.batch_size=many: must be int"),
        ("modl: {lr: 1}", "own.yaml: no setting modl.lr: did you mean --model.lr or"),
        ("nmae: mine", "own.yaml: no setting nmae: did you mean --name or --model?"),
        ("model: resnet18", "own.yaml: --model=resnet18: no YAML of settings: did you mean --model.backbone=resnet18?"),
        ("data: 3", "own.yaml: data: 3: holds no settings: indent them, a line each, or leave it out"),
        ("model:", "own.yaml: model: None: holds no settings"),
        (
            "model: {lr: 1}\ndata:\n  size: 32\nmodel: {dropout: 0.5}",
            "own.yaml: cannot be read as YAML: 'model' stands tw",
        ),
        ("data: {size: 32, size: 64}", "own.yaml: cannot be read as YAML: 'size' stands twice in"),
        ("model: {num_classes: 16}", "own.yaml: --model.num_classes: comes from the data: leave it out"),
        ("data: {seed: 3}", "own.yaml: --data.seed: is the run's: give --seed_everything"),
    ],
)
def test_a_config_that_is_wrong_is_told_by_its_setting(tmp_path, monkeypatch, capsys, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(text)
    (tmp_path / "good.yaml").write_text("data: {batch_size: 8}")
    assert main(["fit", "--config=good.yaml", "--config=own.yaml", "--config=good.yaml"]) == MISUSED
    assert capsys.readouterr().err.startswith(f"lightning_flowers: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("batchsize: 4", "own.yaml: no setting data.batchsize: did you mean --data.batch_size"),
        ("batch_size: many", "own.yaml: --data.batch_size=many: must be int"),
        ("batch_size: [", "own.yaml: while parsing a flow node"),
        ("size: 32\nsize: 64", "own.yaml: 'size' stands twice (in"),
        ("seed: 3", "own.yaml: --data.seed: is the run's: give --seed_everything"),
        ("- 4", "--data=own.yaml: no YAML of settings"),
    ],
)
@pytest.mark.parametrize("flag", ["--data=own.yaml", "--config=whole.yaml"])
def test_the_yaml_of_a_group_is_named(tmp_path, monkeypatch, capsys, text, said, flag):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(text)
    (tmp_path / "whole.yaml").write_text("data: own.yaml")
    assert main(["fit", flag]) == MISUSED
    of_whole = "whole.yaml: " * flag.startswith("--config")
    assert capsys.readouterr().err.startswith(f"lightning_flowers: {of_whole}{said}")


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        (
            "callbacks",
            "- class_path: EarlyStopping\n  init_args: {monitr: x}",
            "callbacks: EarlyStopping: Option 'monitr'",
        ),
        (
            "callbacks",
            "[{class_path: EarlyStopping, init_args: {monitor: x, patience: soon}}]",
            "callbacks.patience=soon",
        ),
        ("callbacks+", "class_path: EarlyStoping", "callbacks={'class_path': 'EarlyStoping'}: EarlyStoping: Expected"),
        ("logger", "class_path: CSVLogger\ninit_args: {save_dir: x, prefix: 3}", "logger.prefix=3: must be str"),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_the_yaml_of_a_callback_or_a_logger_is_named(tmp_path, monkeypatch, capsys, flag, text, said, whole):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(text)
    (tmp_path / "whole.yaml").write_text(f"trainer: {{{flag}: own.yaml}}")
    assert main(["fit", "--config=whole.yaml" if whole else f"--trainer.{flag}=own.yaml"]) == MISUSED
    of_whole = "whole.yaml: " * whole
    assert capsys.readouterr().err.startswith(f"lightning_flowers: {of_whole}own.yaml: --trainer.{said}")


def test_a_flag_gives_the_callback_of_a_yaml_what_it_needs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("[{class_path: EarlyStopping}]")
    flags = ["--trainer.callbacks=own.yaml", "--trainer.callbacks.monitor=val_loss", "--data.root=nowhere"]
    assert main(["fit", *flags]) == MISUSED
    assert "nowhere" in capsys.readouterr().err


def test_a_config_gives_a_callback_and_a_flag_what_it_needs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("trainer: {callbacks: [{class_path: EarlyStopping}]}")
    assert main(["fit", "--config=own.yaml", "--trainer.callbacks.monitor=val_loss", "--data.root=nowhere"]) == MISUSED
    assert "nowhere" in capsys.readouterr().err


def test_what_is_of_no_setting_is_only_shortened():
    assert in_short("unrecognized arguments:\n --x=1") == "unrecognized arguments: --x=1"
    assert len(in_short("word " * 1000)) <= 500
