"""A whole competition on Kaggle, without internet; with its own earlier output attached, it goes on.

Attach the competition, the dataset that `make kaggle-wheels` prepares and, for backbones other than
tf_efficientnet_lite0, a dataset with their weights (such as legacy_xception.tf_in1k.safetensors).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

# The most promising first; each with the settings of the YAML of its name beside the wheels, if there is one.
BACKBONES = ["tf_efficientnet_lite0"]
NAME = "petals"  # of the campaign; another name begins another
FLAGS: list[str] = []  # more flags of `compete`, or settings of `fit` for every run, such as "--data.size=512"
HOURS = 8.5  # of this session, from the start of this script to its end

# What must stay as the image has it: the TPU's library fits one torch_xla, which fits one torch.
KEPT = ("torch", "torchvision", "torchaudio", "torch_xla", "libtpu", "numpy")
DEPTH = 6  # folders below the inputs: /kaggle/input/NAME, datasets/OWNER/NAME, notebooks/OWNER/NAME and theirs
INPUTS, WORKING = Path("/kaggle/input"), Path("/kaggle/working")
SETTINGS = Path(tempfile.gettempdir()) / "petals-settings"  # of the backbones, in every session at the same place


def main(
    inputs: Path = INPUTS,
    working: Path = WORKING,
    flags: list[str] = FLAGS,
    hours: float = HOURS,
) -> None:
    """Install, then train and predict as long as there is time.

    Raises:
        SystemExit: something is missing; says what. Or with the status of a campaign that failed.
    """
    end = time.monotonic() + 3600 * hours
    wheels = wheel_folder(inputs)
    install(wheels)
    campaign = take_up(inputs, working)
    models = [str(settings(name, wheels, inputs)) for name in BACKBONES]
    given = [f"--backbones={','.join(models)}", f"--name={NAME}", f"--runs_dir={campaign.parent}", *flags]
    compete([*given, f"--hours={(seconds_used(campaign) + end - time.monotonic()) / 3600:.4f}"])
    shutil.copyfile(campaign / "submission.csv", working / "submission.csv")
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


def take_up(inputs: Path, working: Path) -> Path:
    """The campaign's folder: this session's, else a copy of the one that has come farthest in the attached outputs."""
    target = working / "runs" / NAME
    found = [path.parent for path in find(inputs, f"runs/{NAME}/campaign.json")]
    if found and not (target / "campaign.json").is_file():
        former = max(found, key=seconds_used)
        shutil.copytree(former, target, dirs_exist_ok=True)
        for path in (target, *target.rglob("*")):  # inputs are read-only
            path.chmod(path.stat().st_mode | 0o200)
        say(f"goes on with {former}, {seconds_used(former) / 3600:.2f} hours so far")
    return target


def seconds_used(campaign: Path) -> float:
    """How long a campaign has taken so far, over all sessions."""
    used = campaign / "seconds-used.txt"
    return float(used.read_text("utf-8")) if used.is_file() else 0.0


def settings(backbone: str, wheels: Path, inputs: Path) -> Path:
    """A YAML of a backbone's settings, with the attached weights if there are any."""
    import yaml  # comes with the wheels, or the image

    known = wheels / f"{backbone}.yaml"
    found = yaml.safe_load(known.read_text("utf-8")) if known.is_file() else {"model": {"backbone": backbone}}
    if folder := weights(inputs, timm_name(backbone)):
        link = SETTINGS / "weights" / backbone  # wherever the weights are mounted this time
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
        found["model"]["weights"] = str(link)
    path = SETTINGS / f"{backbone}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(found), encoding="utf-8")
    return path


def timm_name(backbone: str) -> str:
    """The backbone's name in timm, by which files of weights are called."""
    code = f"from lightning_flowers.model.backbones import timm_name; print(timm_name({backbone!r}))"
    answer = subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        sys.exit(f"BACKBONES: {backbone!r} cannot be used, see above")
    return answer.stdout.strip()


def weights(inputs: Path, name: str) -> Path | None:
    """The attached folder with a backbone's weights, by timm's name of it, if there is one."""
    stem = name.split(".", maxsplit=1)[0]
    names = [f"{known}{suffix}" for known in (name, stem) for suffix in (".safetensors", ".pth", ".bin")]
    hubs = [f"{known}/{file}" for known in (name, stem) for file in ("model.safetensors", "pytorch_model.bin")]
    for pattern in [*names, *hubs]:
        for path in find(inputs, pattern):
            return path.parents[pattern.count("/")]
    if name != "tf_efficientnet_lite0.in1k":  # its weights come with the wheels
        say(f"no weights of {name} below {inputs}: without internet attach a dataset that holds {name}.safetensors")
    return None


def compete(flags: list[str]) -> None:
    """Run lightning_flowers; its lines appear as they come."""
    if "TPU_ACCELERATOR_TYPE" in os.environ:  # a TPU that cannot be used must be an error, not a run on the CPU
        os.environ.setdefault("PJRT_DEVICE", "TPU")
    command = [sys.executable, "-u", "-m", "lightning_flowers", "compete", *flags]
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
