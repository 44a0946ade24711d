import torch

from lightning_flowers.model.layers import Normalize


def test_pictures_are_normalized_in_float32_by_mean_and_std_of_values_in_0_to_1():
    image = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = Normalize(mean, std)(image)
    assert found.dtype == torch.float32
    expected = (image / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    torch.testing.assert_close(found, expected)
