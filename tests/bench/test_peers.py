"""The table of peers: what they read, how they are scored, and which settings go on."""

import pytest
from sklearn.metrics import f1_score

from lightning_flowers.data.sources.competition import open_source

from . import ablation
from .peers import __main__ as peers


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The runs that are asked for, in place of trained ones: the second setting of timm's is the better one."""
    runs = []

    def run(protocol, trainer, settings, seed):
        runs.append((trainer, settings, seed))
        scores = {"macro_f1": 0.9 if settings == "b" else 0.8, "accuracy": 0.8, "cpu_seconds": 60, "seconds": 30}
        return peers.Scored(protocol=protocol.name, trainer=trainer, settings=settings, seed=seed, **scores)

    monkeypatch.setattr(peers, "run", run)
    monkeypatch.setattr(peers, "TABLE", tmp_path / "peers.csv")
    monkeypatch.setattr(peers, "SETTINGS", {"lightning_flowers": ("",), "timm": ("a", "b")})
    return runs


def test_the_best_settings_go_on_and_a_call_makes_only_what_is_missing(asked, tmp_path):
    protocol = peers.Protocol("hard", tmp_path, tmp_path, 160)
    for rows in peers.make(protocol, ["lightning_flowers", "timm"], (0, 1), 60):
        peers.table.write(peers.TABLE, peers.Scored, rows)
        if len(rows) == 2:
            break
    for rows in peers.make(protocol, ["lightning_flowers", "timm"], (0, 1), 60):
        peers.table.write(peers.TABLE, peers.Scored, rows)
    first = [("lightning_flowers", "", 0), ("timm", "a", 0), ("timm", "b", 0)]
    assert asked == [*first, ("lightning_flowers", "", 1), ("timm", "b", 1)]
    assert "| hard | timm | `b` | 2 | 0.9000 | 0.0000 | 0.8000 | 60 |" in peers.markdown(
        peers.table.read(peers.TABLE, peers.Scored)
    )
    for _ in peers.make(protocol._replace(name="full"), ["timm"], (0,), 60):
        pass
    assert asked[5:] == [("timm", "b", 0)]


def test_the_table_of_the_readme_is_of_the_file():
    readme = peers.TABLE.with_name("README.md").read_text("utf-8")
    assert peers.markdown(peers.table.read(peers.TABLE, peers.Scored)) in readme


def test_it_is_scored_over_the_classes_that_val_has(tmp_path):
    file = tmp_path / "guesses.csv"
    file.write_text("003/a.jpg,003\n003/b.jpg,005\n007/c.jpg,007\n")
    expected = f1_score([3, 3, 7], [3, 5, 7], labels=[3, 7], average="macro")
    assert peers.score(file) == {
        "macro_f1": pytest.approx(expected, abs=1e-6),
        "accuracy": pytest.approx(2 / 3, abs=1e-6),
    }


def test_peers_read_the_very_pictures_that_ours_reads(make_petals, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "MADE", tmp_path / "made")
    monkeypatch.setattr(ablation, "HARD", ablation.HARD._replace(made=tmp_path / "hard"))
    source = open_source(make_petals(tmp_path / "petals", size=192, train=40, val=6, test=4, shards=1))
    protocol = peers.prepare("hard", source)
    split = open_source(protocol.root).open("train", protocol.size)
    pictures = {path.stem: path for path in (protocol.folders / "train").rglob("*.jpg")}
    assert sorted(pictures) == sorted(map(str, split.ids))
    for position, name in enumerate(map(str, split.ids)):
        assert pictures[name].read_bytes() == split.image_bytes(position)
        assert pictures[name].parent.name == f"{split.label(position):03d}"
