"""Trains on Kaggle without internet and leaves submission.csv; with its own earlier output attached, it goes on.

Attach the competition, the dataset that `make kaggle-wheels` prepares and, for backbones other than
tf_efficientnet_lite0, a dataset with their weights (such as legacy_xception.tf_in1k.safetensors).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from importlib import metadata
from pathlib import Path

BACKBONE = "tf_efficientnet_lite0"  # with the settings of the YAML of that name beside the wheels, if there is one
NAME = BACKBONE  # of the run; another name begins another run
FLAGS: list[str] = []  # more settings of `fit`, such as "--data.size=512"
HOURS = 8.5  # from the start of this script to its end
HOURS_TO_PREDICT = 0.5  # of these, for the last validation, the predictions and the submission

# What must stay as the image has it: the TPU's library fits one torch_xla, which fits one torch.
KEPT = ("torch", "torchvision", "torchaudio", "torch_xla", "libtpu", "numpy")
DEPTH = 6  # folders below the inputs: /kaggle/input/NAME, datasets/OWNER/NAME, notebooks/OWNER/NAME and theirs
INPUTS, WORKING = Path("/kaggle/input"), Path("/kaggle/working")


def main(
    inputs: Path = INPUTS,
    working: Path = WORKING,
    flags: list[str] = FLAGS,
    hours: float = HOURS,
    hours_to_predict: float = HOURS_TO_PREDICT,
) -> None:
    """Install, train and predict.

    Raises:
        SystemExit: something is missing; says what. Or with the status of a fit that failed.
    """
    end = time.monotonic() + 3600 * (hours - hours_to_predict)
    wheels = wheel_folder(inputs)
    install(wheels)
    run = take_up(inputs, working)
    settings = ["--resume", str(run)] if run else [*new_run(wheels, working), *weights(inputs, timm_name())]
    fit([*settings, *flags, f"--trainer.max_time={max_time(end - time.monotonic())}"])
    shutil.copyfile(working / "runs" / NAME / "submission.csv", working / "submission.csv")
    say(f"the submission is {working / 'submission.csv'}")


def find(folder: Path, pattern: str) -> list[Path]:
    """What matches at most DEPTH folders down, the nearest first."""
    return [path for depth in range(DEPTH) for path in sorted(folder.glob("*/" * depth + pattern))]


def wheel_folder(inputs: Path) -> Path:
    """The attached dataset with our wheel."""
    found = find(inputs, "lightning_flowers-*.whl")
    if not found:
        sys.exit(f"no lightning_flowers-*.whl below {inputs}: attach the dataset that `make kaggle-wheels` prepares")
    return found[0].parent


def constraints() -> str:
    """Requirements that hold what must stay where it is."""
    there = {(found.name or "").lower().replace("-", "_"): found.version for found in metadata.distributions()}
    return "".join(f"{name}=={there[name]}\n" for name in KEPT if name in there)


def install(wheels: Path) -> None:
    """Install our package and what the image lacks for it, from the wheels alone."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "constraints.txt"
        kept.write_text(constraints(), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
        where = ["--find-links", str(wheels), "--constraint", str(kept)]
        if subprocess.run([*pip, *where, "lightning_flowers"], check=False).returncode:
            sys.exit(f"{wheels}: its wheels do not go with this image, see above: prepare them anew for its Python")


def take_up(inputs: Path, working: Path) -> Path | None:
    """The run to go on with: this session's, else a copy of the one that has come farthest in the attached outputs."""
    target = working / "runs" / NAME
    if (target / "checkpoints" / "last.ckpt").is_file():
        return target
    shutil.rmtree(target, ignore_errors=True)  # a run that was cut off before it saved anything
    runs = [checkpoint.parents[1] for checkpoint in find(inputs, f"runs/{NAME}/checkpoints/last.ckpt")]
    if not runs:
        return None
    run = max(runs, key=epochs)
    shutil.copytree(run, target)
    for path in (target, *target.rglob("*")):  # inputs are read-only
        path.chmod(path.stat().st_mode | 0o200)
    say(f"goes on with {run}, {epochs(run)} epochs so far")
    return target


def epochs(run: Path) -> int:
    """How many epochs a run has had."""
    history = run / "metrics.csv"
    return len(history.read_text("utf-8").splitlines()) - 1 if history.is_file() else 0


def new_run(wheels: Path, working: Path) -> list[str]:
    """The settings that only a new run is given."""
    config = wheels / f"{BACKBONE}.yaml"
    chosen = ["--config", str(config)] if config.is_file() else [f"--model.backbone={BACKBONE}"]
    return [*chosen, f"--name={NAME}", f"--runs_dir={working / 'runs'}"]


def timm_name() -> str:
    """The backbone's name in timm, by which files of weights are called."""
    code = f"from lightning_flowers.model.backbones import timm_name; print(timm_name({BACKBONE!r}))"
    answer = subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        sys.exit(f"BACKBONE = {BACKBONE!r}: cannot be used, see above")
    return answer.stdout.strip()


def weights(inputs: Path, name: str) -> list[str]:
    """The setting that names the attached folder with the backbone's weights, by timm's name of it, if there is one."""
    stem = name.split(".", maxsplit=1)[0]
    names = [f"{known}{suffix}" for known in (name, stem) for suffix in (".safetensors", ".pth", ".bin")]
    hubs = [f"{known}/{file}" for known in (name, stem) for file in ("model.safetensors", "pytorch_model.bin")]
    for pattern in [*names, *hubs]:
        for path in find(inputs, pattern):
            return [f"--model.weights={path.parents[pattern.count('/')]}"]
    if name != "tf_efficientnet_lite0.in1k":  # its weights come with the wheels
        say(f"no weights of {name} below {inputs}: without internet attach a dataset that holds {name}.safetensors")
    return []


def max_time(seconds: float) -> str:
    """Seconds as Lightning wants them, DD:HH:MM:SS."""
    if seconds < 1:
        sys.exit("no time is left to train: raise HOURS, or lower HOURS_TO_PREDICT")
    left = timedelta(seconds=int(seconds))
    return f"{left.days:02}:{time.strftime('%H:%M:%S', time.gmtime(left.seconds))}"


def fit(settings: list[str]) -> None:
    """Run lightning_flowers; its lines appear as they come."""
    if "TPU_ACCELERATOR_TYPE" in os.environ:  # a TPU that cannot be used must be an error, not a run on the CPU
        os.environ.setdefault("PJRT_DEVICE", "TPU")
    command = [sys.executable, "-u", "-m", "lightning_flowers", "fit", *settings]
    say(" ".join(command))
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(status)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
