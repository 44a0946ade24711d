import pytest
import torch
import torch.nn.functional as F

from lightning_flowers.batch import Batch
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.views import TTA, mean_probabilities, resize, resize_weights, views_of


@pytest.fixture
def image():
    return torch.randint(0, 256, (2, 3, 96, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_every_kind_shows_the_picture_itself(image):
    assert [len(views_of(tta)) for tta in TTA] == [1, 2, 8]
    for tta in TTA:
        assert any(torch.equal(view(image), image) for view in views_of(tta))


def test_flips_are_left_to_right(image):
    assert torch.equal(views_of("flips")[1](image)[..., 0], image[..., -1])


def test_dihedral_has_each_of_the_eight_once(image):
    shown = [view(image) for view in views_of("dihedral")]
    wanted = [torch.rot90(flipped, quarters, (2, 3)) for flipped in (image, image.flip(2)) for quarters in range(4)]
    assert sorted(picture.flatten().tolist() for picture in shown) == sorted(
        picture.flatten().tolist() for picture in wanted
    )
    assert len({tuple(picture.flatten().tolist()) for picture in shown}) == 8


@pytest.mark.parametrize("size", [32, 72, 128])
def test_a_resize_is_torchs_antialiased_one(image, size):
    wanted = F.interpolate(image.float(), (size, size), mode="bilinear", antialias=True, align_corners=False)
    assert torch.allclose(resize(image, size), wanted, atol=1e-3)
    assert torch.allclose(resize_weights(96, size, image.device).sum(1), torch.ones(size), atol=1e-6)


def test_a_resize_is_exact_in_spite_of_autocast(image):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        shown = resize(image, 128)
    assert shown.dtype == torch.float32
    assert torch.equal(shown, resize(image, 128))


@pytest.mark.parametrize("tta", ["flips", "dihedral"])
def test_probabilities_are_the_mean_over_the_views(image, tta):
    torch.manual_seed(0)
    model = FlowerClassifier("test_resnet", 5, weights="none").eval()
    model.views = views_of(tta)
    label, mask = torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.bool)
    batch = Batch(image=image, index=torch.arange(2), label=label, mask=mask)
    with torch.no_grad():
        found = model.predict_step(batch, 0)["probabilities"]
        each = [model(view(image)).softmax(1) for view in views_of(tta)]
    assert torch.allclose(found, sum(each, torch.zeros(2, 5)) / len(each), atol=1e-6)
    assert not torch.allclose(found, each[0], atol=1e-6)
    assert torch.allclose(found.sum(1), torch.ones(2), atol=1e-5)


def test_flipping_a_picture_does_not_change_what_flips_predict(image):
    torch.manual_seed(0)
    model = FlowerClassifier("test_resnet", 5, weights="none").eval()
    with torch.no_grad():
        one, other = (mean_probabilities(model, picture, views_of("flips")) for picture in (image, image.flip(3)))
    assert torch.allclose(one, other, atol=1e-6)
