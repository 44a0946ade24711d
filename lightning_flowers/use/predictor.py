"""The predictor: asks its models about pictures, blends, calibrates and decides."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from lightning_flowers import hardware
from lightning_flowers.data.photograph import MAX_PIXELS, Picture, PictureError, square
from lightning_flowers.evaluation.blend import Terms
from lightning_flowers.evaluation.calibration import soften
from lightning_flowers.evaluation.decision import Adjustment
from lightning_flowers.model.views import mean_probabilities, resize
from lightning_flowers.use.members import Member


@dataclass(frozen=True)
class Guess:
    """A class that a picture may be of: its place among the classes, its name, how probable it is (0..1)."""

    label: int
    name: str
    probability: float


@dataclass(frozen=True, eq=False)
class Predictor:
    """A run, a soup or a blend, loaded to answer. Any thread may call any method.

    Probabilities p are made thus: softmax of a member's logits in float32, the mean over its views; the blend of all
    members by `method` and their weights; softmax(log p / `temperature`).

    Attributes:
        name: of the run's folder.
        path: of it.
        classes: names, in the order of their labels.
        members: the models; one, but of a blend.
        method: how members are blended: arithmetic, geometric or ranks.
        temperature: fitted on val.
        calibrated: whether there were val predictions to fit a temperature on; it is 1 if not.
        adjustment: how the answer is decided, fitted on val for macro F1; None for the most probable class.
        external: whether a member was trained on data other than the competition's; None if that is not known.
        device: where the models are.
    """

    name: str
    path: Path
    classes: tuple[str, ...]
    members: tuple[Member, ...]
    method: str = "arithmetic"
    temperature: float = 1.0
    calibrated: bool = False
    adjustment: Adjustment | None = None
    external: bool | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def size_px(self) -> int:
        """Side of the pictures that `probabilities_of` takes: the largest of the members'. Smaller members get them
        shrunk (bilinear, antialiased)."""
        return max(member.size_px for member in self.members)

    def read(self, picture: Picture, most_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
        """A picture as `probabilities_of` takes it, uint8 (size_px, size_px, 3): see `data/photograph.py`.

        Args:
            most_pixels: that it may claim to have.

        Raises:
            PictureError: it cannot be used; says why in a line.
        """
        return square(picture, self.size_px, most_pixels)

    def probabilities_of(self, pixels: NDArray[np.uint8], calibrated: bool = True) -> NDArray[np.float32]:
        """Probabilities float32 (n, classes) of pictures uint8 (n, size_px, size_px, 3), all in one batch.

        Args:
            calibrated: whether the temperature is applied; without it a run's are those of `predict`.
        """
        with torch.no_grad():  # inference_mode is more than XLA can do
            image = hardware.to_batch(pixels, self.device)
            of_each = [
                mean_probabilities(member.model, self.fit(member, image), member.views).cpu().numpy()[: len(pixels)]
                for member in self.members
            ]
        weights = np.array([member.weight for member in self.members])
        found = of_each[0] if len(of_each) == 1 else Terms(self.method, np.stack(of_each)).blend(weights)
        return soften(found, self.temperature) if calibrated else found

    def features_of(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What tells pictures uint8 (n, size_px, size_px, 3) apart: float32 (n, channels), each row of length 1.

        The backbones' pooled features; the product of two rows is their cosine, of a blend the mean of its members'
        cosines by weight. Further views are left out.
        """
        with torch.no_grad():
            image = hardware.to_batch(pixels, self.device)
            of_each = [
                normalize(member.model.features(self.fit(member, image)).float()) * member.weight**0.5
                for member in self.members
            ]
            return torch.cat(of_each, 1)[: len(pixels)].cpu().numpy()

    def probabilities(
        self, pictures: Sequence[Picture], batch_size: int = 32, calibrated: bool = True
    ) -> NDArray[np.float32]:
        """Probabilities float32 (n, classes) of pictures of any kinds.

        Raises:
            PictureError: one cannot be used; names it. Or a single one was given, and not in a list.
        """
        one = isinstance(pictures, str | bytes | os.PathLike) or not hasattr(pictures, "__len__")  # such as Pillow's
        if one or getattr(pictures, "ndim", None) == 3:
            raise PictureError(f"{' '.join(repr(pictures).split()):.60}: give a list of pictures, with this one in it")
        found = [np.empty((0, len(self.classes)), np.float32)]
        for start in range(0, len(pictures), batch_size):
            some = [self._named(pictures[n], n) for n in range(start, min(start + batch_size, len(pictures)))]
            found.append(self.probabilities_of(np.stack(some), calibrated))
        return np.concatenate(found)

    def decide(self, probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
        """The label of each picture, int64 (n,), of its calibrated probabilities (n, classes)."""
        if self.adjustment is None:
            return probabilities.argmax(1)
        return self.adjustment.decide(soften(probabilities, 1 / self.temperature))  # it was fitted without

    def guesses(self, probabilities: NDArray[np.float32], top: int = 5) -> list[list[Guess]]:
        """For each picture the label that is decided, then the other classes, the most probable first; `top` in all.

        Args:
            probabilities: calibrated, (n, classes).
        """
        decided = self.decide(probabilities)
        orders = np.argsort(-probabilities, 1, "stable")
        firsts = [[label, *order[order != label]][:top] for label, order in zip(decided, orders, strict=True)]
        return [
            [Guess(int(label), self.classes[label], float(row[label])) for label in labels]
            for labels, row in zip(firsts, probabilities, strict=True)
        ]

    def classify(self, pictures: Sequence[Picture], top: int = 5, batch_size: int = 32) -> list[list[Guess]]:
        """For each picture its `top` classes, the answer first.

        Raises:
            PictureError: one cannot be used; names it.
        """
        return self.guesses(self.probabilities(pictures, batch_size), top)

    def _named(self, picture: Picture, number: int) -> NDArray[np.uint8]:
        try:
            return self.read(picture)
        except PictureError as error:
            name = os.fspath(picture) if isinstance(picture, str | os.PathLike) else f"picture {number}"
            raise PictureError(f"{name}: {error}") from error

    def fit(self, member: Member, image: Tensor) -> Tensor:
        """Pictures (n, 3, size_px, size_px) as a member takes them, which may have been trained on smaller ones."""
        return image if member.size_px == self.size_px else resize(image, member.size_px)
