"""Pooled features of a frozen backbone, computed once, for the head to train on.

A frozen backbone gives the same features for the same picture in every epoch. So a run whose pictures do not change
needs one forward pass over its data, whatever the number of epochs; and the next run of the same backbone none.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from lightning_flowers import feature_store, hardware
from lightning_flowers.batch import FeatureBatch
from lightning_flowers.data.cache.files import decoders
from lightning_flowers.data.datamodule import PetalsDataModule
from lightning_flowers.data.loader import Loader
from lightning_flowers.data.order import Order

if TYPE_CHECKING:
    from lightning_flowers.model.classifier import FlowerClassifier


class Features(NamedTuple):
    """What is kept of a split, on the host.

    values: (views, records, channels), of the type in which the backbone gave them.
    label: int64 (records,), -1 where unknown.
    mask: bool (records,), False for a record that could not be used.
    """

    values: Tensor
    label: Tensor
    mask: Tensor


def choose_caches(
    model: "FlowerClassifier", data: PetalsDataModule, processes: int, say: Callable[[str, str], None]
) -> None:
    """Keep features of a frozen backbone where they do not change; else decoded pictures where they fit.

    Args:
        processes: of this host that will read them.
        say: told what was chosen, under a heading.

    Raises:
        UserError: there is no room where pictures were to be kept.
    """
    views, text = feature_views(model.hparams, bool(data.augment))
    if views:
        data.wrap = FeatureCache(model, views, partial(say, "features")).loader
    else:
        data.wrap = lambda loader, split: loader
        say("cache", data.choose_cache(processes))
    if model.frozen:
        say("features", text)


def feature_views(settings: Mapping[str, Any], augments: bool) -> tuple[int, str]:
    """How many views of each picture are to be kept as features: 0 for none; and why, for people."""
    if not settings["freeze_backbone"]:
        return 0, "none: the backbone is trained"
    if not settings["feature_cache"]:
        return 0, "none, as --model.feature_cache=false says"
    if settings["mixup"] or settings["cutmix"]:
        return 0, "none: Mixup and CutMix mix the pictures anew at each step"
    if augments and not settings["feature_views"]:
        return 0, "none: pictures are augmented anew in each epoch (--model.feature_views=K would keep K views)"
    views = settings["feature_views"] if augments else 1
    return views, f"those of the frozen backbone are computed once, of {views} view{'s' * (views > 1)} of each picture"


class FeatureCache:
    """Makes loaders of features out of loaders of pictures.

    Args:
        model: whose backbone is frozen.
        views: augmented views of each training picture that are kept and taken in turn, epoch by epoch; 1 where
            pictures are not augmented.
        announce: told once for each split what was computed.
    """

    def __init__(self, model: "FlowerClassifier", views: int, announce: Callable[[str], None]) -> None:
        self._model, self._views, self._announce = model, views, announce
        self._known: dict[str, Features] = {}

    def loader(self, loader: Loader, split: str) -> "FeatureLoader":
        """A loader of the features of what `loader` would load."""
        return FeatureLoader(loader, lambda: self._features(loader, split))

    def _features(self, loader: Loader, split: str) -> Features:
        if split not in self._known:
            views = self._views if loader.augment else 1
            path = _place(self._model, loader, views)
            found = feature_store.load(path) if path else None
            self._known[split] = Features(**found) if found else self._compute(loader, split, views, path)
            if found:
                self._announce(f"{split}: features of {views * len(loader.split)} pictures, kept from an earlier run")
        return self._known[split]

    def _compute(self, loader: Loader, split: str, views: int, path: Path | None) -> Features:
        start = time.perf_counter()
        parts = [self._view(loader, epoch) for epoch in range(views)]
        features = Features(torch.stack([values for values, *_ in parts]), *parts[0][1:])
        pictures, seconds = views * len(loader.split), time.perf_counter() - start
        later = ", and kept for later runs" if path and feature_store.save(path, features._asdict()) else ""
        self._announce(f"{split}: features of {pictures} pictures computed once, in {seconds:.1f} s{later}")
        return features

    @torch.no_grad()
    def _view(self, loader: Loader, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """The features of all records, each process having computed its part, as augmented in that epoch."""
        sampler, trainer = loader.sampler, self._model.trainer
        strategy = trainer.strategy
        order = Order(sampler.records, sampler.batch_size, seed=sampler.seed, rank=sampler.rank, world=sampler.world)
        order.set_epoch(epoch)
        pictures = Loader(loader.split, order, loader.augment, loader.threads, loader.pin, loader.cache)
        parts: list[Sequence[Tensor]] = []
        fed: Any = strategy.process_dataloader(pictures)
        for batch in fed:
            moved = strategy.batch_to_device(batch)
            with strategy.precision_plugin.forward_context():
                values = self._model.micro_batches.apply(self._model.features, moved["image"])
            parts.append(hardware.replicated(trainer, (values, moved["label"], moved["index"])))
        values, label, index = (hardware.all_rows(trainer, part) for part in zip(*parts, strict=True))
        return _in_order(sampler.records, values, label, index)


class FeatureLoader(Loader):
    """Batches like a loader's, in the same order, of features in place of pictures.

    Args:
        features: computes them, when the first batch is asked for, which `waited` includes.
    """

    def __init__(self, loader: Loader, features: Callable[[], Features]) -> None:
        super().__init__(loader.split, loader.sampler)
        self._features = features

    def __iter__(self) -> Iterator[FeatureBatch]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Yield the batches of the order's epoch.

        Raises:
            DataError: as `Loader.__iter__`, the first time.
        """
        start = time.perf_counter()
        features = self._features()
        self.waited += time.perf_counter() - start
        values = features.values[self.sampler.epoch % len(features.values)]
        for positions, mask in islice(self.sampler, self.sampler.begin(), None):
            rows = torch.from_numpy(positions)
            real = torch.from_numpy(mask) & features.mask[rows]
            self.sampler.advance()
            yield FeatureBatch(
                features=values[rows],
                label=torch.where(real, features.label[rows], -1),
                index=torch.where(real, rows, -1),
                mask=real,
            )


def _place(model: "FlowerClassifier", loader: Loader, epochs: int) -> Path | None:
    """Where features are kept that depend on all that these do; None where they are not.

    Several processes keep none: each would have to find what the others find. Nor does a TPU, which computes them in
    seconds and reads weights back slowly; nor are those kept of pictures whose content is not known, as their shards
    are elsewhere.
    """
    trainer = model.trainer
    device = trainer.strategy.root_device
    if trainer.world_size > 1 or not hardware.reads_cheaply(device) or "-" not in loader.split.fingerprint:
        return None
    seen = (loader.split.fingerprint, loader.split.size, decoders())
    drawn = (loader.augment.content, loader.sampler.seed, epochs) if loader.augment else None
    computed = (trainer.precision, device.type, model.hparams["backbone"])
    normalized = (model.normalize.mean.tolist(), model.normalize.std.tolist())
    return feature_store.path_of(feature_store.fingerprint((seen, drawn, computed, normalized), model.backbone))


def _in_order(records: int, values: Tensor, label: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features (records, channels), label and mask of the records by their `index`."""
    known = index >= 0
    ordered = values.new_zeros(records, *values.shape[1:])
    labels, mask = label.new_full((records,), -1), torch.zeros(records, dtype=torch.bool)
    ordered[index[known]], labels[index[known]], mask[index[known]] = values[known], label[known], True
    return ordered, labels, mask
