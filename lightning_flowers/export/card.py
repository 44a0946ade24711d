"""The model card of a timm folder."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lightning_flowers import __version__
from lightning_flowers.markdown import markdown_table, number
from lightning_flowers.report import facts
from lightning_flowers.run.results import Run
from lightning_flowers.use.predictor import Predictor

_DATA = {
    True: "**External**: it was trained on other data sets too. Copies of the competition's test pictures are public "
    "in some, so its scores may be too good.",
    False: "Clean: it was trained on this data set alone.",
    None: "It is not known whether it was trained on other data sets too.",
}


def model_card(
    predictor: Predictor, config: Mapping[str, Any], scores: Sequence[str], license: str, given: bool
) -> str:
    """The text of README.md, with the header that the hub reads.

    Args:
        config: timm's, of the model.
        scores: lines that say how good it is.
        license: of the weights; `given` tells whether by the user, and not by timm of the pretrained weights.
    """
    run = predictor.members[0].run
    whose = "as its maker says" if given else f"that of the pretrained weights ({run.timm_name}), as timm knows it"
    parts = [
        _header(license),
        f"# {predictor.name}",
        f"A classifier of {len(predictor.classes)} flowers: {facts.subtitle(run)}. Made with lightning_flowers "
        f"{__version__}.",
        _usage(predictor, config),
        "## Scores",
        "\n".join(scores),
        "## Data",
        f"{_DATA[predictor.external]}\n\n{_records(run)}",
        "## Licence",
        f"`{license}`: {whose}. The photographs it was trained on have licences of their own.",
        "## Classes",
        "\n".join(f"{label}. {_plain(name)}" for label, name in enumerate(predictor.classes)),
    ]
    return "\n\n".join(parts) + "\n"


def _header(license: str) -> str:
    """YAML, of which JSON's strings are a part."""
    return "\n".join(
        [
            "---",
            "pipeline_tag: image-classification",
            "library_name: timm",
            "tags: [image-classification, timm, flowers]",
            f"license: {json.dumps(license)}",
            "---",
        ]
    )


def _usage(predictor: Predictor, config: Mapping[str, Any]) -> str:
    temperature = predictor.members[0].temperature
    size = predictor.size_px
    calibrated = (
        f"`softmax(logits / {temperature:.6g})` are calibrated probabilities: the temperature was fitted on val."
        if predictor.calibrated
        else "Its probabilities are not calibrated: there were no predictions of val to fit a temperature on."
    )
    return f"""    import timm
    model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()   # or hf-hub:USER/NAME
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    logits = model(transform(picture).unsqueeze(0))

A picture is turned upright, its largest square in the middle resized to {size} px (Lanczos), scaled to 0..1, normalised
with mean {tuple(config["mean"])} and std {tuple(config["std"])}. {calibrated}"""


def _records(run: Run) -> str:
    rows = [[split.split, split.records, split.fingerprint] for split in facts.splits(run)]
    best = run.best
    told = markdown_table(["split", "records", "fingerprint"], rows, ["records"])
    return f"{told}\n\nBest epoch {number(best.epoch)} of {run.epochs}." if best and run.epochs else told


def _plain(name: str) -> str:
    return " ".join(name.split())
