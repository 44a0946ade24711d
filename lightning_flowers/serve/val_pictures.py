"""A run's val pictures on the page: a few to try, and those nearest to a photograph by the model's features."""

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_flowers import feature_store
from lightning_flowers.errors import UserError
from lightning_flowers.export.pictures import val_pictures as find_val
from lightning_flowers.report.gallery import to_jpeg, without_mend
from lightning_flowers.serve.schemas import Neighbour
from lightning_flowers.use.predictor import Predictor

_LARGEST = 512  # pixels of a side
_MAX_BYTES = 64 << 20  # of features; of a val with more, pictures that are evenly spread over it are taken


class ValPictures:
    """Those of a run, numbered from 0.

    Their features are found one picture at a time by who calls `look`, and kept in the user's cache folder once all
    are. No two threads may call at once.

    Args:
        examples: how many are to be tried, each of another class.
        neighbours: how many are told as the nearest; 0 looks at none.

    Attributes:
        examples: their numbers, the same ones each time.
        neighbours: how many.
        known: how many have been looked at, those before it.

    Raises:
        UserError: the run has no val predictions, or its data are no longer where they were.
    """

    def __init__(self, predictor: Predictor, examples: int, neighbours: int) -> None:
        channels = sum(member.model.backbone.head_hidden_size for member in predictor.members)
        try:
            self._sample = find_val(predictor, most=_MAX_BYTES // (4 * channels))
        except UserError as error:
            raise UserError(without_mend(error)) from error
        assert self._sample.labels is not None
        self._predictor, self.labels, self.neighbours = predictor, self._sample.labels, neighbours
        order = np.random.default_rng(0).permutation(len(self))
        _, firsts = np.unique(self.labels[order], return_index=True)
        self.examples = [int(number) for number in order[np.sort(firsts)[:examples]]]
        self.known = 0
        if neighbours:
            of_each = [(each.weight, each.size_px, sorted(each.model.hparams.items())) for each in predictor.members]
            models = [member.model for member in predictor.members]
            name = feature_store.fingerprint((self._sample.fingerprint, of_each), *models)
            self._file = feature_store.path_of(name)
            self._features = torch.zeros(len(self), channels)
            if found := feature_store.load(self._file):
                self._features, self.known = found["values"].float(), len(self)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def ready(self) -> bool:
        """Whether the nearest can be told."""
        return self.neighbours > 0 and self.known == len(self)

    def name_of(self, number: int) -> str:
        """The name of a picture's class."""
        return self._predictor.classes[self.labels[number]]

    def jpeg(self, number: int) -> bytes:
        """One of them.

        Raises:
            UserError: it is no longer there.
        """
        (picture,) = self._sample.take((self._sample.ids[number],))
        return to_jpeg(picture, _LARGEST)

    def look(self) -> None:
        """Find the features of the next.

        Raises:
            UserError: it is not there.
        """
        (picture,) = self._sample.take((self._sample.ids[self.known],))
        self._features[self.known] = torch.from_numpy(self._predictor.features_of(picture[None])[0]).half()
        self.known += 1
        if self.ready:
            feature_store.save(self._file, {"values": self._features.half()})

    def nearest(self, pixels: NDArray[np.uint8]) -> list[Neighbour]:
        """The nearest to a picture uint8 (size_px, size_px, 3), the nearest first."""
        similar = self._features.numpy() @ self._predictor.features_of(pixels[None])[0]
        order = np.argsort(-similar, kind="stable")[: self.neighbours]
        return [
            Neighbour(
                number=number,
                label=int(self.labels[number]),
                name=self.name_of(number),
                similarity=float(similar[number]),
            )
            for number in order.tolist()
        ]
