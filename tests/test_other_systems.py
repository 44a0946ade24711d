"""macOS and Windows, as far as they can be had here: a process that lacks what they lack."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_flowers.run.results import read_run

SCRIPT = Path(__file__).with_name("lacking.py")
QUICK = [
    "--model.backbone=test_resnet", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
    "--data.threads=2", "--data.batch_size=8",
]  # fmt: skip


def test_a_run_and_its_pictures_need_nothing_of_linux_alone(petals_root, tmp_path):
    """Kept, begun with other weights, predicted and asked, under names with blanks, brackets and letters of all sorts,
    on a console of a few hundred letters."""
    home = tmp_path / "Blumen [neu] größe 花"
    root, runs = shutil.copytree(petals_root, home / "petals"), home / "runs"
    picture = home / "rose [1] ü.png"
    Image.fromarray(np.full((40, 48, 3), 200, np.uint8)).save(picture)
    fit = ["fit", *QUICK, f"--data.root={root}", f"--runs_dir={runs}", "--trainer.max_epochs=1"]
    commands = [
        [*fit, "--name=erster [ä]", "--model.weights=none", "--data.cache=disk", f"--data.cache_dir={home / 'kept'}"],
        [*fit, "--name=zweiter", f"--model.weights={runs / 'erster [ä]'}", "--data.cache=ram", "--report=false"],
        ["predict", f"--run={runs / 'zweiter'}", f"--out={home / 'views [2]'}", "--tta=flips", "--report=false"],
        ["classify", str(runs / "zweiter"), str(picture), "--csv"],
    ]
    settings = {
        "PYTHONIOENCODING": "cp1252",
        "LIGHTNING_FLOWERS_SHARED_MEMORY": "/dev/shm",
        "OMP_NUM_THREADS": "1",
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT), json.dumps(commands)],
        check=False,
        capture_output=True,
        env={**os.environ, **settings},
    )
    out, told = done.stdout.decode("cp1252"), done.stderr.decode("cp1252")
    assert done.returncode == 0, told
    assert told.splitlines() == []
    assert "Blumen [neu] größe \\u82b1" in out
    assert "kept on disk" in out
    assert "kept in this process's memory" in out
    assert "backbone and head of" in out
    run = read_run(runs / "zweiter")
    assert run.finished
    with (home / "views [2]/submission.csv").open(newline="", encoding="utf-8") as lines:
        assert len(list(csv.DictReader(lines))) == 9
    assert (runs / "erster [ä]/report.html").is_file()
    assert picture.name in out
