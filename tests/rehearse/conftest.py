from pathlib import Path

import pytest

NET = ["--model.backbone=test_resnet", "--model.ema_decay=0.9", "--data.size=32"]


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In place of the folder that has the user's cache folders: what one test has had compiled, others find."""
    folder = tmp_path_factory.mktemp("caches")
    (folder / "lightning_flowers").mkdir()
    return folder
