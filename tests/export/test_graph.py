"""The graph of any predictor answers as it does, through onnxruntime too."""

import json

import numpy as np
import onnx
import pytest
import torch

from lightning_flowers.data.photograph import square
from lightning_flowers.errors import UserError
from lightning_flowers.export import graph
from lightning_flowers.export.end_to_end import EndToEnd, Square, check_end_to_end
from lightning_flowers.export.pictures import made_up

from .conftest import member_of, predictor_of


def pictures_of(size, count=5):
    return np.stack([made_up(size, size, seed) for seed in range(count)])


def through_onnx(predictor, folder):
    graph.write_onnx(graph.trace(predictor), folder / "model.onnx", graph.facts(predictor))
    return graph.onnx_answers(folder / "model.onnx")


@pytest.mark.parametrize(("height", "width"), [(64, 64), (97, 64), (65, 200), (40, 31), (1, 7), (301, 290)])
def test_a_picture_of_any_size_becomes_the_square_that_pillow_makes(height, width):
    picture = made_up(height, width, 3)
    found = Square(64)(torch.from_numpy(picture)[None])[0].permute(1, 2, 0).numpy()
    wanted = square(picture, 64).astype(np.float32)
    assert np.abs(found - wanted).max() <= 1  # Pillow's weights have 22 bits
    assert (found != wanted).mean() < 5e-3


def test_a_picture_of_the_right_size_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    found = Square(224)(torch.from_numpy(pixels))
    np.testing.assert_array_equal(found.permute(0, 2, 3, 1).numpy(), pixels)


@pytest.mark.parametrize("method", ["arithmetic", "geometric"])
def test_a_blend_is_blended_in_the_graph(method):
    members = [
        member_of(size=64, tta="dihedral", weight=0.7),
        member_of(size=48, tta="flips", weight=0.3),
    ]
    blend = predictor_of(*members, method=method, temperature=0.6)
    pixels = pictures_of(64)
    with torch.no_grad():
        found = EndToEnd(blend)(torch.from_numpy(pixels)).numpy()
    wanted = blend.probabilities_of(pixels)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert wanted.std(0).max() > 0.05  # they differ


def test_a_blend_of_a_tf_model_with_its_borders_and_a_transformer_goes_through_onnx(tmp_path):
    members = member_of("tf_mobilenetv3_small_minimal_100", 75, "flips", 0.6), member_of("test_vit", 160, weight=0.4)
    blend = predictor_of(*members, temperature=0.8)
    answers = through_onnx(blend, tmp_path)
    pixels = pictures_of(160)
    np.testing.assert_allclose(answers(pixels), blend.probabilities_of(pixels), atol=1e-4)
    odd = made_up(131, 90, 0)
    np.testing.assert_allclose(answers(odd[None]), blend.probabilities([odd]), atol=5e-2)


def test_an_onnx_file_tells_what_it_is(exported, predictor):
    proto = onnx.load(exported / "model.onnx")
    known = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(known["classes"]) == list(predictor.classes)
    assert (known["size_px"], float(known["temperature"])) == ("64", predictor.temperature)
    axes = [[axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in
            (proto.graph.input[0], proto.graph.output[0])]  # fmt: skip
    assert axes == [["batch", "height", "width", 3], ["batch", 4]]
    assert b".py" not in proto.SerializeToString()  # no path of the machine that made it


def test_what_a_graph_cannot_hold_is_refused():
    with pytest.raises(UserError, match=r"a blend of ranks cannot be exported"):
        check_end_to_end(predictor_of(member_of(), method="ranks"))
