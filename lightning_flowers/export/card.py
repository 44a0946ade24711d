"""The model card of a timm folder."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from lightning_flowers import __version__
from lightning_flowers.markdown import markdown_table
from lightning_flowers.report import facts
from lightning_flowers.use.predictor import Predictor


def model_card(predictor: Predictor, config: Mapping[str, Any], scores: str, license: str, given: bool) -> str:
    """The text of README.md, with the header that the hub reads.

    Args:
        config: timm's, of the model.
        scores: says how good it is.
        license: of the weights; `given` tells whether by the user, and not by timm of the pretrained weights.
    """
    run = predictor.members[0].run
    tags = ["image-classification", "timm", "flowers"]
    header = ModelCardData(license=license, library_name="timm", pipeline_tag="image-classification", tags=tags)
    rows = [[split.split, split.records, split.fingerprint] for split in facts.splits(run)]
    card = ModelCard.from_template(
        header,
        template_str=resources.files("lightning_flowers.export").joinpath("templates/card.md").read_text("utf-8"),
        predictor=predictor,
        run=run,
        version=__version__,
        subtitle=facts.subtitle(run),
        whose="as its maker says" if given else f"that of the pretrained weights ({run.timm_name}), as timm knows it",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        splits=markdown_table(["split", "records", "fingerprint"], rows, ["records"]),
        scores=scores,
    )
    return str(card)
