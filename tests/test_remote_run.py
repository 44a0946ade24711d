"""Whole runs over data under a URL: as a folder of the same data gives them."""

import csv
import json
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import fsspec
import numpy as np
import pytest
import torch
from tenacity import wait_none

from lightning_flowers.__main__ import MISUSED, main
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.run.predictions import Predictions

TINY = [
    "--model.backbone=test_resnet", "--model.weights=none", "--model.lr=0.01", "--model.dropout=0.2",
    "--data.batch_size=8", "--data.threads=2", "--data.cache=none",
    "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.max_epochs=2",
]  # fmt: skip
LIMIT = 900_000


class Site:
    """A web server of a folder, on loopback."""

    def __init__(self, folder):
        self.asked = Counter()  # files by name
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(self._handler(), directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._open = True

    def close(self):
        if self._open:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._open = False

    def _handler(self):
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self):
                site.asked[self.path.rpartition("/")[2]] += 1
                super().do_GET()

            def log_message(self, format, *args):
                pass

        return Handler


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder; what is fetched is kept beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("lightning_flowers.data.sources.remote.filesystem.BACKOFF", wait_none())
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def site(petals_root):
    """The tiny data set with a listing on a web server."""
    files = sorted(path for path in petals_root.rglob("*") if path.is_file() and path.name != "listing.txt")
    lines = [f"{path.relative_to(petals_root)}\n" for path in files]
    (petals_root / "listing.txt").write_text("".join(lines))
    site = Site(petals_root)
    yield site
    site.close()


@pytest.fixture
def run(here, capsys):
    """Run a command; gives its exit status, output and errors."""

    def run(*args):
        status = main([*args])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def trained(monkeypatch):
    """The records of each training step since the last `clear`, and what to do before them, by its number."""
    original, trained, steps = FlowerClassifier.training_step, [], count(1)
    hooks = {}

    def training_step(self, batch, batch_idx):
        hooks.get(next(steps), lambda: None)()
        trained.append(batch["index"][batch["mask"]].tolist())
        return original(self, batch, batch_idx)

    monkeypatch.setattr(FlowerClassifier, "training_step", training_step)
    return trained, hooks


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def assert_refused(result, *said):
    status, _, err = result
    assert status == MISUSED
    assert len(err.splitlines()) == 1, err
    for part in ("lightning_flowers: ", *said):
        assert part in err


def assert_right(folder, epochs, trained):
    """Each record was trained on once an epoch, validated on and predicted."""
    batches = len(trained) // epochs
    for epoch in range(epochs):
        seen = [index for step in trained[epoch * batches : (epoch + 1) * batches] for index in step]
        assert sorted(seen) == list(range(40))
    assert Predictions.load(folder / "predictions/val.npz").ids.tolist() == [f"val{n:04d}" for n in range(12)]
    assert [row["id"] for row in rows_of(folder / "submission.csv")] == [f"test{n:04d}" for n in range(9)]
    assert len(rows_of(folder / "metrics.csv")) == epochs


def test_a_run_from_a_web_server_leaves_what_one_from_a_folder_does(run, here, site, petals_root, trained):
    status, out, err = run("fit", *TINY, f"--data.root={site.url}", f"--data.remote_limit={LIMIT}")
    assert status == 0, err
    folder = here / "runs/test_resnet"
    assert_right(folder, 2, trained[0])
    assert ": 32 px, 4 classes, records: 40 train, 12 val, 9 test" in out
    data = json.loads((folder / "summary.json").read_text())["data"]
    assert (data["root"], data["bad_records"]) == (site.url, {})

    submitted = (folder / "submission.csv").read_bytes()
    assert run("predict", f"--run={folder}")[0] == 0
    assert (folder / "submission.csv").read_bytes() == submitted
    status, _, err = run("predict", f"--run={folder}", f"--data.root={petals_root}", "--out=near")
    assert status == 0, err
    for split in ("val", "test"):
        near, far = (Predictions.load(where / f"predictions/{split}.npz") for where in (here / "near", folder))
        assert np.array_equal(near.ids, far.ids)
        assert np.array_equal(near.probabilities, far.probabilities)
    assert (here / "near/submission.csv").read_bytes() == submitted


def test_the_url_is_told_as_it_was_given(run, site):
    assert f"data       {site.url}: 32 px" in run("fit", *TINY, f"--data.root={site.url}", "--trainer.max_epochs=1")[1]


def test_what_fits_within_the_limit_is_fetched_once_for_all_runs(run, here, site, petals_root, trained):
    for name in ("first", "second"):
        assert run("fit", *TINY, f"--data.root={site.url}", f"--name={name}")[0] == 0
        assert_right(here / "runs" / name, 2, trained[0])
        trained[0].clear()
    shards = [path.name for path in petals_root.glob("tfrecords-jpeg-32x32/*/*")]
    assert {site.asked[name] for name in shards} == {1}  # each name is that of one split alone
    first, second = (rows_of(here / "runs" / name / "metrics.csv") for name in ("first", "second"))
    assert [row["val_loss"] for row in first] == [row["val_loss"] for row in second]


class Killed(BaseException):
    """The process is gone."""


def die():
    raise Killed


def test_a_killed_remote_run_goes_on_as_if_it_never_had_been(run, here, site, trained):
    flags = [*TINY, f"--data.root={site.url}", f"--data.remote_limit={LIMIT}", "--save_every_steps=2"]
    assert run("fit", *flags, "--name=whole")[0] == 0
    whole = list(trained[0])
    trained[0].clear()
    trained[1][10 + 4] = die  # the fourth step of the first epoch, after the ten of the whole run
    with pytest.raises(Killed):
        run("fit", *flags, "--name=broken")
    assert trained[0] == whole[:3]
    del trained[0][2:]  # the third step was not saved
    assert run("fit", "--resume=runs/broken")[0] == 0
    assert trained[0] == whole
    one, other = (
        torch.load(here / f"runs/{name}/checkpoints/last.ckpt", weights_only=False)["state_dict"]
        for name in ("whole", "broken")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_takes_more_than_the_limit_is_refused_in_one_line(run, here, site):
    assert_refused(
        run("fit", *TINY, f"--data.root={site.url}", "--data.remote_limit=60000"), "--data.remote_limit=60000"
    )
    assert not list(here.iterdir())


def test_a_server_that_goes_away_ends_the_run_with_one_line_and_what_was_saved_stays(run, here, site, trained):
    flags = [*TINY, f"--data.root={site.url}", f"--data.remote_limit={LIMIT}", "--save_every_steps=1"]
    trained[1][3] = site.close
    result = run("fit", *flags)
    assert_refused(result, site.url)
    assert (here / "runs/test_resnet/checkpoints/last.ckpt").exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [("/nowhere", "listing.txt"), ("/tfrecords-jpeg-32x32/train", "listing.txt")],
)
def test_a_url_without_a_data_set_is_answered_in_one_line(run, here, site, path, said):
    assert_refused(run("fit", *TINY, f"--data.root={site.url}{path}"), said)
    assert not list(here.iterdir())


def test_a_server_that_is_not_there_is_answered_in_one_line(run, here, site):
    site.close()
    assert_refused(run("fit", *TINY, f"--data.root={site.url}"), site.url)
    assert not list(here.iterdir())


@pytest.mark.filterwarnings("ignore:Total length of .list. across ranks is zero")
def test_other_stores_folds_and_train_and_val(run, here, petals_root):
    memory = fsspec.filesystem("memory")
    memory.put(str(petals_root), "/remote-run", recursive=True)
    try:
        flags = [*TINY, "--data.root=memory://remote-run", f"--data.remote_limit={LIMIT}", "--trainer.max_epochs=1"]
        status, _, err = run("fit", *flags, "--data.folds=4", "--data.fold=1")
        assert status == 0, err
        assert len(Predictions.load(here / "runs/test_resnet-fold1/predictions/val.npz").ids) == 13
        status, _, err = run("fit", *flags, "--data.train_on=train+val")
        assert status == 0, err
        assert len(rows_of(here / "runs/test_resnet-trainval/submission.csv")) == 9
    finally:
        memory.rm("/remote-run", recursive=True)
