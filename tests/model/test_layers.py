import pytest
import torch

from lightning_flowers.batch import Batch
from lightning_flowers.model.classifier import FlowerClassifier
from lightning_flowers.model.layers import Normalize


def test_pictures_are_normalized_in_float32_whatever_the_weights_are():
    image = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    normalize = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = normalize(image)
    found = torch.nn.Sequential(normalize).bfloat16()(image)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "close"), [(torch.bfloat16, 0.02), (torch.float16, 0.002), (torch.float64, 1e-5)])
def test_a_converted_model_scores_as_it_did(dtype, close):
    torch.manual_seed(0)
    model = FlowerClassifier("test_resnet", num_classes=4, weights="none").eval()
    image = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    batch = Batch(image=image, label=torch.arange(8) % 4, index=torch.arange(8), mask=torch.ones(8).bool())
    losses = []
    for _ in range(2):
        model.eval_counts.reset()
        model.validation_step(batch, 0)
        losses.append(model.eval_counts.compute(lambda tensor: tensor)[0])
        assert model.predict_step(batch, 0)["probabilities"].dtype == torch.float32
        model.to(dtype)
    assert losses[1] == pytest.approx(losses[0], rel=close)
    assert losses[0] > 1
