"""A folder that timm loads by itself (`local-dir:FOLDER`), and that can be pushed to the Hugging Face hub as it is."""

from collections.abc import Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from huggingface_hub import ModelCard, ModelCardData
from numpy.typing import NDArray
from PIL import Image
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from timm.models import save_for_hf
from torch import nn
from torch.nn.functional import softmax

from lightning_flowers import __version__
from lightning_flowers.errors import UserError
from lightning_flowers.export.checking import ExportResult, Reference
from lightning_flowers.export.figures import scores_of
from lightning_flowers.export.pictures import Sample
from lightning_flowers.files import write_text
from lightning_flowers.markdown import markdown_table
from lightning_flowers.report import facts
from lightning_flowers.use.members import Member
from lightning_flowers.use.predictor import Predictor

_TOLERANCE, _PICTURES = 1e-4, 8  # of logits, relative to the largest; to check on


def to_timm(predictor: Predictor) -> nn.Module:
    """A run's model as one of timm's, its dense layer in the place of timm's classifier, its config of the run's data.

    Raises:
        UserError: timm has no place for the model; says why.
    """
    member = predictor.members[0]
    if len(predictor.members) > 1:
        raise UserError(f"{predictor.path}: --to=timm: a blend is several models: export its runs by themselves")
    *hidden, last = (layer for layer in member.model.head if isinstance(layer, nn.Linear))
    name = member.run.timm_name or str(member.model.hparams["backbone"])
    if hidden:
        widths = ", ".join(str(layer.out_features) for layer in hidden)
        raise UserError(
            f"{predictor.path}: --to=timm: timm has no place for hidden dense layers ({widths}): use --to=onnx,torch"
        )
    model: Any = timm.create_model(name, pretrained=False, num_classes=len(predictor.classes))
    classifier = model.get_classifier()
    prefix = next((path for path, module in model.named_modules() if module is classifier), "")
    weights = member.model.backbone.state_dict() | {f"{prefix}.{part}": it for part, it in last.state_dict().items()}
    if not isinstance(classifier, nn.Linear) or weights.keys() != model.state_dict().keys():
        raise UserError(f"{predictor.path}: --to=timm: the classifier of timm's {name} is not one dense layer over its "
                        "pooled features: use --to=onnx,torch")  # fmt: skip
    model.load_state_dict(weights)
    model.pretrained_cfg = {**model.pretrained_cfg, **_config(member)}
    return model.eval()


def write_timm(predictor: Predictor, folder: Path, reference: Reference) -> ExportResult:
    """Write config.json, model.safetensors and README.md; gives the answers of the written model.

    Args:
        reference: what it is held against, by logits: its answers differ where the predictor looks at several views.

    Raises:
        UserError: the written model's logits are not the run's.
    """
    model: Any = to_timm(predictor)
    model.pretrained_cfg["license"] = model.pretrained_cfg.get("license") or "other"
    for parameter in model.parameters():  # safetensors wants them so
        parameter.data = parameter.data.contiguous()
    save_for_hf(model, str(folder), {"label_names": list(predictor.classes)}, safe_serialization=True)
    loaded: Any = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    _require_equal(predictor.members[0], loaded, reference.sample)
    answers = partial(_answers, loaded, create_transform(**resolve_model_data_config(loaded)), predictor.temperature)
    result = reference.check(answers, folder / "model.safetensors", same=False)
    write_text(folder / "README.md", _card(predictor, model.pretrained_cfg, scores_of(result, reference.sample)))
    return result


def _answers(model: nn.Module, transform: Any, temperature: float, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """As the model card has them, of pictures uint8 (n, height, width, 3)."""
    batch = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
    with torch.no_grad():
        return softmax(model(batch) / temperature, 1).numpy()


def _card(predictor: Predictor, config: Mapping[str, Any], scores: str) -> str:
    """The text of README.md, with the header that the hub reads."""
    run = predictor.members[0].run
    tags = ["image-classification", "timm", "flowers"]
    header = ModelCardData(
        license=config["license"], library_name="timm", pipeline_tag="image-classification", tags=tags
    )
    rows = [[split.split, split.records, split.fingerprint] for split in facts.splits(run)]
    card = ModelCard.from_template(
        header,
        template_str=resources.files("lightning_flowers.export").joinpath("templates/card.md").read_text("utf-8"),
        predictor=predictor,
        run=run,
        version=__version__,
        subtitle=facts.subtitle(run),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        splits=markdown_table(["split", "records", "fingerprint"], rows, ["records"]),
        scores=scores,
    )
    return str(card)


def _config(member: Member) -> dict[str, Any]:
    """What differs from the config of the pretrained weights: pictures are looked at whole, as `data/photograph` makes
    them."""
    return {
        "tag": "",
        "input_size": (3, member.size_px, member.size_px),
        "interpolation": "lanczos",
        "crop_pct": 1.0,
        "crop_mode": "center",
        "test_input_size": None,
        "test_crop_pct": None,
        "pool_size": None,
    }


def _require_equal(member: Member, loaded: nn.Module, sample: Sample) -> None:
    pictures = torch.from_numpy(next(sample.batches())[:_PICTURES]).permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted, found = member.model(pictures), loaded(member.model.normalize(pictures))
    # Written so that what is no number fails too.
    if not bool((wanted - found).abs().max() <= _TOLERANCE * wanted.abs().max()):
        raise UserError("timm: what it loads from the folder has other logits than the run, so it is not given")
