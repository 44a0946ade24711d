"""What was exported answers as the run does in programs that know nothing of this one."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_flowers.export.graph import onnx_answers
from lightning_flowers.export.pictures import made_up

_BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Block())
"""
_TORCH = """
import sys, numpy, torch
module = torch.export.load(sys.argv[1]).module()
for shape in ("same", "odd"):
    pictures = torch.from_numpy(numpy.load(sys.argv[2])[shape])
    numpy.save(sys.argv[3] + shape, module(pictures).detach().numpy())
"""
_TIMM = """
import sys, numpy, timm, torch
from PIL import Image
model = timm.create_model("local-dir:" + sys.argv[1], pretrained=True).eval()
config = timm.data.resolve_model_data_config(model)
transform = timm.data.create_transform(**config)
pictures = numpy.load(sys.argv[2])
for shape in ("same", "odd"):
    batch = torch.stack([transform(Image.fromarray(picture)) for picture in pictures[shape]])
    numpy.save(sys.argv[3] + shape, model(batch).detach().numpy())
assert model.pretrained_cfg["label_names"] == [f"flower {label}" for label in range(4)]
"""


@pytest.fixture
def pictures(tmp_path):
    arrays = {
        "same": np.stack([made_up(64, 64, seed) for seed in range(3)]),
        "odd": np.stack([made_up(90, 131, seed) for seed in range(1)]),
    }
    np.savez(tmp_path / "pictures.npz", same=arrays["same"], odd=arrays["odd"])
    return arrays


def ask(program, blocked, exported, folder):
    code = _BLOCK.format(blocked=blocked) + program
    arguments = [str(exported), str(folder / "pictures.npz"), f"{folder}/"]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, cwd=folder, timeout=300)
    return np.load(folder / "same.npy"), np.load(folder / "odd.npy")


def test_torch_alone_runs_a_pt2(exported, predictor, pictures, tmp_path):
    same, odd = ask(_TORCH, ("timm", "lightning_flowers", "pytorch_lightning"), exported / "model.pt2", tmp_path)
    np.testing.assert_allclose(same, predictor.probabilities_of(pictures["same"]), atol=1e-5)
    np.testing.assert_allclose(odd, predictor.probabilities(list(pictures["odd"])), atol=1e-3)


def test_timm_alone_loads_the_folder(exported, predictor, pictures, tmp_path):
    same, odd = ask(_TIMM, ("lightning_flowers", "pytorch_lightning"), exported / "timm", tmp_path)
    model = predictor.members[0].model
    squares = [np.stack([predictor.read(one) for one in pictures[shape]]) for shape in ("same", "odd")]
    for found, square in zip((same, odd), squares, strict=True):
        with torch.no_grad():
            wanted = model(torch.from_numpy(square).permute(0, 3, 1, 2)).numpy()
        assert np.abs(found - wanted).max() < 5e-2 * np.abs(wanted).max()
    np.testing.assert_allclose(same, wanted_logits(model, pictures["same"]), rtol=1e-4, atol=1e-4)


def wanted_logits(model, pixels):
    with torch.no_grad():
        return model(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()


def test_onnxruntime_takes_pictures_of_any_size(exported, predictor, pictures):
    answers = onnx_answers(exported / "model.onnx")
    np.testing.assert_allclose(answers(pictures["same"]), predictor.probabilities_of(pictures["same"]), atol=1e-4)
    for height, width in ((300, 41), (64, 65), (20, 20)):
        picture = made_up(height, width, 1)
        found = answers(picture[None])[0]
        np.testing.assert_allclose(found, predictor.probabilities([Image.fromarray(picture)])[0], atol=1e-3)


def test_int8_is_smaller_and_answers_nearly_the_same(exported, predictor, pictures):
    small, whole = exported / "model.int8.onnx", exported / "model.onnx"
    assert small.stat().st_size < whole.stat().st_size
    found = onnx_answers(small)(pictures["same"])
    np.testing.assert_allclose(found, predictor.probabilities_of(pictures["same"]), atol=0.1)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-3)
