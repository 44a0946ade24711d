import argparse
import json
import os
import pickle
import socket
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from lightning_flowers.errors import UserError
from lightning_flowers.model.weights import build_backbone, lite0_state_dict

SMALL = "test_resnet.r160_in1k"  # timm's own model for tests, 0.5 M parameters


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    def unreachable(*_):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr("lightning_flowers.model.weights.getproxies", dict)


@pytest.fixture
def trained():
    """A model whose weights differ from any start."""
    model = timm.create_model(SMALL)
    return {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in model.state_dict().items()}


def build(backbone, weights) -> Any:
    return build_backbone(backbone, str(weights)).model


def assert_holds(model, weights):
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


@pytest.mark.parametrize(("name", "said"), [("", "=: no such file or folder"), ("w.pth", "w.pth: is empty: fetch")])
def test_what_names_or_holds_nothing_is_no_weights(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pth").touch()
    with pytest.raises(UserError, match=said):
        build(SMALL, name)


def test_lite0s_weights_fit_timms_names_and_shapes_exactly():
    ours, timms = lite0_state_dict(), timm.create_model("tf_efficientnet_lite0").state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {name: t.shape for name, t in timms.items()}


def test_lite0_starts_from_its_package_without_a_network(no_network):
    model = build("tf_efficientnet_lite0", "timm")
    assert_holds(model, lite0_state_dict())
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 1280)


def test_lite0s_weights_are_in_the_right_layers():
    """With a layer swapped or a BatchNorm mixed up, features of any picture would blow up or die."""
    model = timm.create_model("tf_efficientnet_lite0")
    model.load_state_dict(lite0_state_dict())
    model.eval()
    flat = torch.linspace(-1, 1, 224).expand(1, 3, 224, 224)
    with torch.no_grad():
        logits = model(flat)
    assert 3 < logits.max() < 20
    assert logits.softmax(1).max() > 0.05


def test_a_file_is_loaded_whole(tmp_path, trained):
    torch.save(trained, tmp_path / "weights.pth")
    assert_holds(build(SMALL, str(tmp_path / "weights.pth")), trained)


@pytest.mark.parametrize("name", ["test_resnet.safetensors", "test_resnet.r160_in1k/model.safetensors"])
def test_a_folder_is_searched_for_the_model(tmp_path, trained, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    save_file(trained, tmp_path / name)
    assert_holds(build(SMALL, str(tmp_path)), trained)


def test_none_is_a_random_start():
    torch.manual_seed(0)
    first = build(SMALL, "none").state_dict()["conv1.0.weight"]
    second = build(SMALL, "none").state_dict()["conv1.0.weight"]
    assert not torch.equal(first, second)


def test_weights_of_another_model_are_refused(tmp_path, trained):
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "vit.pth")
    with pytest.raises(UserError, match=r"not the weights of test_resnet\.r160_in1k"):
        build(SMALL, str(tmp_path / "vit.pth"))


def test_weights_that_lack_a_layer_are_refused(tmp_path, trained):
    trained.pop("layer1.0.conv1.weight")
    torch.save(trained, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"not the weights of .*layer1\.0\.conv1\.weight"):
        build(SMALL, str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("content", [b"not weights", b"seed_everything: 0\ndata:\n", b"hours: 3", b"\x80\x02c"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "weights.pth").write_bytes(content)
    (tmp_path / "weights.npz").write_bytes(b"arrays")
    with pytest.raises(UserError, match="npz is not read: timm has the same on the hub"):
        build(SMALL, str(tmp_path / "weights.npz"))
    with pytest.raises(
        UserError,
        match=r"weights.pth: (holds no weights: give|cannot be loaded as weights of .* damaged, or a p)",
    ):
        build(SMALL, str(tmp_path / "weights.pth"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--model\.weights=.*nowhere\.pth: no such file"):
        build(SMALL, str(tmp_path / "nowhere.pth"))


def test_an_empty_folder_says_what_to_put_there(tmp_path):
    with pytest.raises(UserError, match=r"put test_resnet\.r160_in1k\.safetensors or \.pth there"):
        build(SMALL, str(tmp_path))


def test_without_a_network_the_error_says_which_file_to_get(no_network, monkeypatch):
    monkeypatch.setattr("lightning_flowers.model.weights.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(UserError, match=r"model\.safetensors of timm/densenet201\.tv_in1k .* --model.weights=FILE"):
        build("densenet201", "timm")


def test_a_model_without_pretrained_weights_says_so(no_network):
    with pytest.raises(UserError, match="no pretrained weights of resnetv2_152"):
        build("resnetv2_152", "timm")


class Planted:
    """What runs a program where it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.fixture
def tensors_only(monkeypatch):
    """What is given is not for timm to read."""

    def read(*_, **__):
        raise AssertionError("timm reads a file")

    monkeypatch.setattr("timm.models._builder.load_state_dict", read)


@pytest.mark.parametrize(
    ("file", "save"),
    [
        ("test_resnet.pth", torch.save),
        ("pytorch_model.bin", torch.save),
        ("test_resnet.pth", lambda what, path: torch.save(what, path, _use_new_zipfile_serialization=False)),
        ("test_resnet.pth", lambda what, path: path.write_bytes(pickle.dumps(what, 2))),
    ],
)
@pytest.mark.parametrize("folder", [True, False])
def test_a_program_in_a_file_of_weights_does_not_run(tmp_path, trained, tensors_only, file, save, folder):
    save({"state_dict": trained, "extra": Planted(tmp_path / "ran")}, tmp_path / file)
    given = tmp_path if folder else tmp_path / file
    with pytest.raises(
        UserError, match=rf"--model\.weights={given}: .* a pickle .*save its state_dict alone"
    ) as raised:
        build(SMALL, str(given))
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_a_program_in_the_hubs_file_does_not_run(tmp_path, trained, monkeypatch):
    torch.save({**trained, "extra": Planted(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    monkeypatch.setattr("lightning_flowers.model.weights._require_hub", lambda name: None)
    monkeypatch.setattr("timm.models._hub._has_safetensors", False)
    monkeypatch.setattr("timm.models._hub.hf_hub_download", lambda *_, **__: str(tmp_path / "pytorch_model.bin"))
    with pytest.raises(UserError, match="a pickle"):
        build(SMALL, "timm")
    assert not (tmp_path / "ran").exists()
    torch.save(trained, tmp_path / "pytorch_model.bin")
    assert_holds(build(SMALL, "timm"), trained)


@pytest.mark.parametrize("key", ["state_dict", "model", "state_dict_ema"])
def test_training_checkpoints_of_timm_are_read(tmp_path, trained, tensors_only, key):
    weights = {f"module.{name}": tensor for name, tensor in trained.items()}
    torch.save({key: weights, "args": argparse.Namespace(lr=0.1), "epoch": 3}, tmp_path / "last.pth.tar")
    assert_holds(build(SMALL, str(tmp_path / "last.pth.tar")), trained)


def test_a_file_without_weights_is_refused(tmp_path, tensors_only):
    torch.save({}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="holds no weights"):
        build(SMALL, str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("classes", [7, 0])
@pytest.mark.parametrize("form", ["timm", "hub"])
def test_weights_with_another_number_of_classes_give_their_backbone_and_it_is_told(tmp_path, trained, classes, form):
    weights = {name: tensor for name, tensor in trained.items() if not name.startswith("fc.")}
    if classes:
        weights |= {"fc.weight": torch.ones(classes, 96), "fc.bias": torch.ones(classes)}
    if form == "timm":
        given = tmp_path / "model_best.pth.tar"
        torch.save({"state_dict": weights, "arch": "test_resnet", "args": argparse.Namespace(lr=0.1)}, given)
    else:
        given = hub_folder(tmp_path / "hub [neu] größe", weights, num_classes=classes)
    built = build_backbone(SMALL, str(given))
    assert_holds(built.model, trained)
    assert built.origin.endswith(
        "without its classifier of 7 classes" if classes else given.name + "/model.safetensors" * (form == "hub")
    )


def hub_folder(folder, weights, architecture="test_resnet", **config):
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    config = {
        "architecture": architecture,
        "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]},
        **config,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize("given", ["{}", "local-dir:{}", "{}/model.safetensors"])
def test_a_folder_of_the_hub_tells_how_pictures_are_normalized(tmp_path, trained, given):
    folder = hub_folder(tmp_path / "mine", trained)
    model = build(SMALL, given.format(folder))
    assert_holds(model, trained)
    assert (model.pretrained_cfg["mean"], model.pretrained_cfg["std"]) == ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    own: Any = timm.create_model(SMALL)
    assert own.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("form", ["timm", "hub"])
def test_the_wrong_backbone_is_refused_by_both_names_though_it_would_fit(tmp_path, trained, form):
    """tf_efficientnet_b0 and efficientnet_b0 have tensors of the same names and shapes, and pad otherwise."""
    if form == "timm":
        given = tmp_path / "last.pth.tar"
        torch.save({"state_dict": trained, "arch": "efficientnet_b0"}, given)
    else:
        given = hub_folder(tmp_path / "hub", trained, "efficientnet_b0.ra_in1k")
    with pytest.raises(
        UserError, match=r"of a efficientnet_b0, and --model\.backbone=tf_efficientnet_b0 is a tf_eff"
    ) as told:
        build("tf_efficientnet_b0", given)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("config", ["{", "[]", '{"architectures": ["ViTForImageClassification"]}'])
def test_a_folder_of_another_library_is_refused(tmp_path, trained, config):
    folder = hub_folder(tmp_path / "hub", trained)
    (folder / "config.json").write_text(config)
    with pytest.raises(UserError, match=r"config\.json: (damaged|names no architecture of timm)"):
        build(SMALL, folder)


def test_a_folder_of_a_run_without_checkpoints_is_refused(tmp_path):
    (tmp_path / "config.yaml").touch()
    with pytest.raises(UserError, match="a run's folder without checkpoints: give one that has some"):
        build(SMALL, tmp_path)


def test_paths_are_dropped_in_training_alone():
    model = build_backbone("mobilenetv3_small_050", "none", 0.9).model
    image = torch.rand(2, 3, 96, 96)
    outs = [model.train()(image) for _ in range(4)]
    assert any(not torch.equal(outs[0], out) for out in outs)
    assert torch.equal(model.eval()(image), model(image))


@pytest.mark.parametrize("name", ["densenet121", "legacy_xception"])
def test_a_backbone_without_paths_to_drop_is_refused(name):
    with pytest.raises(UserError, match=rf"--model\.drop_path: {name}.* has no paths that timm could drop"):
        build_backbone(name, "none", 0.1)
