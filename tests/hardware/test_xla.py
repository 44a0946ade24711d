"""Whole runs on eight virtual cores of torch_xla's CPU client, beside the same runs on a plain CPU.

Each mode has a process of its own, two at a time; all start with the first test that asks for one.
"""

import csv
import json
import os
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lightning_flowers
from lightning_flowers.__main__ import main
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.ema import Ema
from lightning_flowers.run.predictions import Predictions

HERE = Path(__file__).parent
CORES, BATCH = 8, 16
TRAIN, VAL, TEST = 72, 36, 20  # five and three batches, the last ones ragged
# How far 99.9 % of the weights, and their mean, may be apart: this many times as far as the CPU is from itself when it
# sums a batch in other orders (AdamW amplifies rounding step by step, on each processor otherwise), or so far anyhow.
TIMES, CLOSE, CLOSEST = 8, 2e-5, 1e-6
CLIPPED_GRAPHS, FROZEN_GRAPHS = 14, 24  # that these runs may compile: 12 and 22 were seen
CLIENT = {
    "PJRT_DEVICE": "CPU",
    "CPU_NUM_DEVICES": str(CORES),
    "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiles five times as fast
}
TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", f"--data.batch_size={BATCH}", "--data.cache=none",
    "--data.threads=1", "--trainer.enable_progress_bar=false",
]  # fmt: skip
CLIPPED = ["--trainer.max_epochs=3", "--trainer.gradient_clip_val=0.5", "--model.ema_decay=0.9"]
STOPPED = [  # after the second epoch, as none is so much better than the first
    "--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val_loss",
    "--trainer.callbacks.min_delta=9", "--trainer.callbacks.patience=1",
]  # fmt: skip
FROZEN = ["--trainer.max_epochs=3", "--model.freeze_backbone=true", "--data.augment=none"]
ACCUMULATED = [
    "--trainer.max_epochs=5",
    "--trainer.accumulate_grad_batches=2",
    "--trainer.limit_train_batches=3",  # the last one is a step of its own
    "--model.ema_decay=0.9",
    *STOPPED,
]
MIXED = ["--trainer.max_epochs=2", "--trainer.devices=1", "--model.mixup=0.2", "--model.cutmix=1"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("torch_xla") is None, reason="torch_xla is not installed"),
    pytest.mark.filterwarnings("ignore:--data.augment.* a picture, against"),  # so it is at 32 px
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("xla")


@pytest.fixture(scope="module")
def petals(make_petals, place):
    return make_petals(place / "petals", train=TRAIN, val=VAL, test=TEST)


@pytest.fixture(scope="module")
def photographs(petals, place):
    """Paths of three pictures of val, as loose files."""
    val = open_split(petals / "tfrecords-jpeg-32x32/val", 32, 4, True)
    paths = [place / f"{position}.jpg" for position in range(3)]
    for position, path in enumerate(paths):
        path.write_bytes(val.image_bytes(position))
    return list(map(str, paths))


@pytest.fixture(scope="module")
def runs(petals, place, photographs):
    """What is asked of the cores: by name, the future of what the process has counted."""

    def fit(name, *flags):
        given = ["--trainer.accelerator=tpu", f"--runs_dir={place}", f"--name={name}", f"--data.root={petals}"]
        return ["fit", *TINY, *given, *flags]

    def then(command, *flags):
        return ["--", command, f"--run={place / 'frozen'}", "--trainer.accelerator=tpu", *flags]

    exact, labels, out = (
        "--trainer.precision=32-true",
        f"--data.test_labels={petals / 'test_labels.csv'}",
        place / "out",
    )
    jobs = {
        "clipped": lambda: start(place / "clipped.json", fit("clipped", exact, *CLIPPED)),
        "cut": lambda: [
            start(place / "cut.json", fit("cut", exact, *CLIPPED, "--save_every_steps=2"), DIE_AT="8"),
            start(place / "resumed.json", ["fit", f"--resume={place / 'cut'}"]),
        ][-1],
        "frozen": lambda: start(
            place / "frozen.json",
            [
                *fit("frozen", exact, *FROZEN),
                *then("validate"),
                *then("test", labels),
                *then("predict", f"--out={out}"),
                *then("predict", f"--out={place / 'seen'}", "--tta=dihedral"),
            ],
        ),
        "accumulated": lambda: start(place / "accumulated.json", fit("accumulated", exact, *ACCUMULATED)),
        "mixed": lambda: start(
            place / "mixed.json",
            [
                *fit("mixed", *MIXED, "--trainer.callbacks+=xla_run.Reader"),
                *("--", "classify", str(place / "mixed"), *photographs, "--csv", "--top=4", "--accelerator=tpu"),
            ],
        ),
    }
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(job) for name, job in jobs.items()}


def start(counted: Path, command: list[str], **environment: str) -> dict:
    """Run a command on the cores; gives what it has counted."""
    done = subprocess.run(
        [sys.executable, str(HERE / "xla_run.py"), str(counted), *command],
        env={**os.environ, **CLIENT, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "DIE_AT" in environment:
        assert done.returncode == 9, done.stderr[-2000:]
        return {}
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    warned = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    return json.loads(counted.read_text()) | {"output": done.stdout, "warnings": warned}


@pytest.fixture
def counted(runs):
    """`counted(name)`: waits for a run."""

    def counted(name):
        future: Future = runs[name]
        return future.result()

    return counted


@pytest.fixture(scope="module")
def eager(petals, place, runs):
    """`eager(name, *flags)`: the same run on a plain CPU; its folder. The cores, which want quiet, come first."""
    wait(runs.values())

    def eager(name, *flags, **variation):
        folder = place / "-".join(["eager", name, *variation])
        if not folder.exists():
            given = ["--trainer.accelerator=cpu", f"--runs_dir={place}", f"--name={folder.name}"]
            with pytest.MonkeyPatch.context() as patch:
                for step in variation.values():
                    patch.setattr(FlowerClassifier, "training_step", step)
                assert main(["fit", *TINY, *given, f"--data.root={petals}", *flags]) == 0
        return folder

    return eager


STEP: Any = FlowerClassifier.training_step


def reversed_rows(self, batch, number):
    """The same sums in another order."""
    return STEP(self, {name: tensor.flip(0) for name, tensor in batch.items()}, number)


def rolled_rows(self, batch, number):
    """The same sums in yet another order."""
    return STEP(self, {name: tensor.roll(3, 0) for name, tensor in batch.items()}, number)


def replicated(self, batch, number):
    """Every core sees the rows of the first."""
    share = BATCH // CORES
    return STEP(self, {name: torch.cat([tensor[:share]] * CORES) for name, tensor in batch.items()}, number)


def normalised_by_core(self, batch, number):
    """Gradients of the whole batch, but BatchNorm's statistics of each core's rows."""
    share = BATCH // CORES
    parts = [{name: tensor[at : at + share] for name, tensor in batch.items()} for at in range(0, BATCH, share)]
    losses = [STEP(self, part, number) * part["mask"].sum() for part in parts]
    return torch.stack(losses).sum() / batch["mask"].sum()


def without_the_first(self, batch, number):
    """The first batch of an accumulated step is lost."""
    return STEP(self, batch, number) * (number != 0)


@pytest.fixture(scope="module")
def allowed(eager):
    """`allowed(name, *flags, of=WEIGHTS)`: how far such a run's weights may be from the CPU's."""

    def allowed(name, *flags, of=lambda checkpoint: checkpoint["state_dict"]):
        plain = of(checkpoint(eager(name, *flags)))
        others = (eager(name, *flags, reversed=reversed_rows), eager(name, *flags, rolled=rolled_rows))
        most, mean = zip(*(apart(plain, of(checkpoint(other))) for other in others), strict=True)
        return max(CLOSE, TIMES * max(most)), max(CLOSEST, TIMES * max(mean))

    return allowed


def checkpoint(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=False)


def apart(first, second):
    """How far two sets of weights are apart: 99.9 % of the weights at most, and in the mean.

    Where a gradient is all but 0, Adam takes a whole step in the direction of its rounding error: a weight or two in a
    thousand. torch_xla keeps BatchNorm's biased variance, torch the unbiased one: left out.
    """
    assert first.keys() == second.keys()
    kept = [name for name in first if "running_var" not in name]
    difference = torch.cat([(first[name].float() - second[name].float()).abs().flatten() for name in kept])
    return difference.quantile(0.999).item(), difference.mean().item()


def assert_close(first, second, allowed):
    most, mean = apart(first, second)
    assert most < allowed[0]
    assert mean < allowed[1]


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize(
    ("name", "flags", "fault"),
    [
        ("clipped", CLIPPED, replicated),
        ("clipped", CLIPPED, normalised_by_core),
        ("accumulated", ACCUMULATED, replicated),
        ("accumulated", ACCUMULATED, without_the_first),
    ],
)
def test_a_wrong_program_is_further_from_the_cpu_than_is_allowed(eager, allowed, name, flags, fault):
    right, wrong = (checkpoint(each) for each in (eager(name, *flags), eager(name, *flags, **{fault.__name__: fault})))
    most, mean = apart(right["state_dict"], wrong["state_dict"])
    limits = allowed(name, *flags)
    assert most > 2 * limits[0]
    assert mean > 2 * limits[1]


def test_an_average_that_lags_a_step_is_further_from_the_cpu_than_is_allowed(eager, allowed, monkeypatch):
    update, seen = Ema._update, []
    monkeypatch.setattr(Ema, "_update", lambda self, *args: seen.append(1) or (len(seen) > 1 and update(self, *args)))
    wrong = checkpoint(eager("accumulated", *ACCUMULATED, late=STEP))["state_dict"]
    monkeypatch.undo()
    right = checkpoint(eager("accumulated", *ACCUMULATED))["state_dict"]
    assert apart(right, wrong)[0] > 2 * allowed("accumulated", *ACCUMULATED)[0]


def test_eight_cores_learn_the_weights_of_one_cpu(counted, eager, allowed, place):
    counted("clipped")
    there, here = checkpoint(place / "clipped"), checkpoint(eager("clipped", *CLIPPED))
    assert there["global_step"] == here["global_step"] == 15
    assert_close(there["state_dict"], here["state_dict"], allowed("clipped", *CLIPPED))


def test_the_average_and_the_raw_weights_are_both_right(counted, eager, allowed, place):
    counted("clipped")
    there, here = checkpoint(place / "clipped"), checkpoint(eager("clipped", *CLIPPED))
    raw, expected = there["callbacks"]["Ema"]["raw"], here["callbacks"]["Ema"]["raw"]
    limits = allowed("clipped", *CLIPPED, of=lambda checkpoint: checkpoint["callbacks"]["Ema"]["raw"])
    assert_close(raw, expected, limits)
    assert apart(raw, {name: there["state_dict"][name] for name in raw})[0] > 2 * limits[0]


def test_scores_and_predictions_are_those_of_one_cpu(counted, eager, place):
    counted("clipped")
    folder = eager("clipped", *CLIPPED)
    for there, here in zip(summary(place / "clipped")["best"].items(), summary(folder)["best"].items(), strict=True):
        assert there[0] == here[0]
        if there[0].startswith(("train_", "val_")):
            assert there[1] == pytest.approx(here[1], abs=2e-3)  # of the running variance
    for split, records in (("val", VAL), ("test", TEST)):
        there, here = (Predictions.load(each / f"predictions/{split}.npz") for each in (place / "clipped", folder))
        assert there.ids.tolist() == here.ids.tolist()
        assert there.probabilities.shape == (records, 4)
        np.testing.assert_allclose(there.probabilities, here.probabilities, atol=2e-2)
    assert len((place / "clipped/submission.csv").read_text().splitlines()) == TEST + 1


def test_the_step_and_the_evaluation_compile_once_and_nothing_later(counted):
    assert counted("clipped")["graphs"] <= CLIPPED_GRAPHS
    for name in ("clipped", "accumulated", "frozen"):
        assert not [text for text in counted(name)["warnings"] if "XLA compiled" in text], name


def test_no_operator_falls_back_to_the_host(counted):
    for name in ("clipped", "frozen", "accumulated", "mixed"):
        assert counted(name)["fallbacks"] == {}, name


def test_every_input_is_split_over_the_cores(counted):
    cores = ",".join(map(str, range(CORES)))
    assert counted("clipped")["shardings"] == {
        f"[{BATCH}, 32, 32, 3]": [f"{{devices=[{CORES},1,1,1]{cores}}}"],
        f"[{BATCH}]": [f"{{devices=[{CORES}]{cores}}}"],
    }


def test_the_summary_tells_the_cores_and_what_compiling_took(counted, place):
    counted("clipped")
    hardware = summary(place / "clipped")["hardware"]
    assert hardware["devices"] == CORES
    assert hardware["device"] == "core of torch_xla's CPU client"
    assert hardware["precision"] == "32-true"
    assert hardware["graphs"] >= 3
    assert hardware["compile_seconds"] > 0.1


def test_a_run_that_was_killed_and_resumed_has_the_same_weights(counted, place):
    counted("clipped")
    counted("cut")
    there, here = checkpoint(place / "cut"), checkpoint(place / "clipped")
    assert there["global_step"] == here["global_step"]
    for name, tensor in here["state_dict"].items():
        torch.testing.assert_close(there["state_dict"][name], tensor, rtol=0, atol=1e-6, msg=name)


def test_a_checkpoint_of_eight_cores_goes_on_on_a_cpu(counted, place, petals):
    counted("clipped")
    flags = [f"--resume={place / 'clipped'}", "--trainer.accelerator=cpu", "--trainer.max_epochs=4"]
    assert main(["validate", f"--run={place / 'clipped'}", "--trainer.accelerator=cpu"]) == 0
    copy = place / "copied"
    copy.parent.mkdir(exist_ok=True)
    subprocess.run(["cp", "-r", str(place / "clipped"), str(copy)], check=True)
    assert main(["fit", f"--resume={copy}", *flags[1:]]) == 0
    assert checkpoint(copy)["global_step"] == 20


def test_accumulated_gradients_are_those_of_one_cpu(counted, eager, allowed, place):
    counted("accumulated")
    there, here = checkpoint(place / "accumulated"), checkpoint(eager("accumulated", *ACCUMULATED))
    assert there["global_step"] == here["global_step"] == 4
    assert_close(there["state_dict"], here["state_dict"], allowed("accumulated", *ACCUMULATED))


def test_features_of_a_frozen_backbone_are_computed_once_and_right(counted, eager, place):
    found = counted("frozen")
    assert "computed once" in found["output"]
    assert all(f"devices=[{CORES}" in str(specs) for specs in found["shardings"].values())
    there, here = checkpoint(place / "frozen"), checkpoint(eager("frozen", *FROZEN))
    assert_close(there["state_dict"], here["state_dict"], (CLOSE, CLOSEST))  # one layer, which amplifies nothing
    assert summary(place / "frozen")["best"]["val_loss"] == pytest.approx(
        summary(eager("frozen", *FROZEN))["best"]["val_loss"], abs=1e-5
    )


def test_a_run_on_the_cores_is_scored_and_predicts_on_them(counted, place):
    said = counted("frozen")["output"]
    best = summary(place / "frozen")["best"]
    assert f"val        {VAL} records: loss {best['val_loss']:.4f}, accuracy {best['val_accuracy']:.4f}" in said
    assert f"test       {TEST} records: loss" in said
    first, again = (Predictions.load(folder / "predictions/test.npz") for folder in (place / "frozen", place / "out"))
    np.testing.assert_allclose(again.probabilities, first.probabilities, atol=1e-6)


def test_views_of_a_picture_are_predicted_as_on_a_cpu_by_one_graph(counted, place):
    # Of views: seven flips and turns, each a small graph, and the model's: one for the picture as it was sent, and one
    # that all the other views share.
    assert counted("frozen")["graphs"] <= FROZEN_GRAPHS
    run, out = place / "frozen", place / "seen-by-cpu"
    assert main(["predict", f"--run={run}", "--trainer.accelerator=cpu", "--tta=dihedral", f"--out={out}"]) == 0
    for split in ("val", "test"):
        there, here, once = (
            Predictions.load(folder / f"predictions/{split}.npz").probabilities for folder in (place / "seen", out, run)
        )
        np.testing.assert_allclose(there, here, atol=1e-5)
        assert np.abs(here - once).max() > 1e-4


def test_early_stopping_stops_the_cores(counted, place):
    counted("accumulated")
    assert summary(place / "accumulated")["epochs"] == 2


def test_one_core_trains_in_bfloat16(counted, place):
    counted("mixed")
    found = summary(place / "mixed")
    assert found["hardware"]["devices"] == 1
    assert found["hardware"]["precision"] == "bf16-mixed"
    assert np.isfinite(found["best"]["train_loss"])
    assert {tensor.dtype for tensor in checkpoint(place / "mixed")["state_dict"].values()} <= {
        torch.float32, torch.int64,
    }  # fmt: skip


def test_a_late_graph_is_warned_of(counted):
    (warned,) = (text for text in counted("mixed")["warnings"] if "XLA compiled" in text)
    assert "XLA compiled 1 graph in epoch 2, where none should be new" in warned


def graph(code):
    """What a program prints that builds graphs and compiles none."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **CLIENT}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_bfloat16_is_for_products_and_what_is_passed_on_while_normalising_and_loss_are_float32():
    text = graph(
        "import torch, torch_xla\n"
        "from lightning_flowers.hardware.xla.precision import StaticPrecision\n"
        "from lightning_flowers.model.classifier import FlowerClassifier\n"
        "device = torch_xla.device()\n"
        "model = FlowerClassifier('test_resnet', 4, weights='none').to(device)\n"
        "torch_xla.sync()\n"
        "label = torch.zeros(2, dtype=torch.int64, device=device)\n"
        "image = torch.zeros(2, 3, 32, 32, dtype=torch.uint8, device=device)\n"
        "with StaticPrecision('bf16-mixed').forward_context():\n"
        "    loss = model.training_step({'image': image, 'label': label, 'index': label, 'mask': label == 0}, 0)\n"
        "print(torch_xla._XLAC._get_xla_tensors_hlo([loss]))\n"
    )
    types = {}
    for line in text.splitlines():
        found = re.match(r"\s*%([a-z-]+)[\w.]* = \(?(\w+)\[", line)
        if found:
            types.setdefault(found[1], set()).add(found[2])
    assert types["convolution"] == types["dot"] == {"bf16"}
    assert types["maximum"] == {"bf16"}  # ReLU, whose result is kept for the backward pass
    assert types["batch-norm-training"] == types["subtract"] == types["exponential"] == {"f32"}
    assert "u8[2,3,32,32]" in text  # pictures cross as bytes


def test_a_tensor_that_cannot_be_split_is_an_error():
    text = graph(
        "import torch\n"
        "from lightning_flowers.hardware.xla.runtime import Cores, xs\n"
        "cores, spec = Cores(single=False), xs.ShardingSpec\n"
        "assert cores.count == 8\n"
        "xs.ShardingSpec = lambda mesh, axes, **more: spec(mesh, (*axes, None), **more)\n"
        "try:\n    cores.send(torch.zeros(16, 3))\nexcept RuntimeError as error:\n    print(error)\n"
    )
    assert "a tensor (16, 3) was not split over 8 cores" in text


def test_a_loaded_run_answers_as_on_a_cpu(counted, place, photographs):
    said = counted("mixed")["output"]
    rows = list(csv.DictReader(said[said.index("picture,label,") :].splitlines()))
    places = [("name", "probability"), *((f"name_{n}", f"probability_{n}") for n in (2, 3, 4))]
    found = [{row[name]: float(row[probability]) for name, probability in places} for row in rows]
    on_cpu = lightning_flowers.load(place / "mixed", accelerator="cpu").classify(photographs)
    wanted = [{guess.name: guess.probability for guess in guesses} for guesses in on_cpu]
    assert found == [pytest.approx(one, abs=1e-5) for one in wanted]
