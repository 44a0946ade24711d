"""From a picture's bytes to an answer, on the event loop."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from lightning_flowers import __version__
from lightning_flowers.data.photograph import PictureError
from lightning_flowers.export.checking import Answers
from lightning_flowers.serve import schemas
from lightning_flowers.serve.batching import Batcher
from lightning_flowers.serve.bodies import Upload
from lightning_flowers.serve.capacity import Capacity
from lightning_flowers.serve.examples import Example
from lightning_flowers.serve.metrics import Metrics
from lightning_flowers.serve.settings import Settings
from lightning_flowers.use.doubt import Doubt, doubt_of
from lightning_flowers.use.heatmap import heat_map
from lightning_flowers.use.predictor import Predictor


class Service:
    """A predictor with a queue before it.

    Args:
        predictor: what answers.
        settings: limits.
        examples: photographs to try.
        backend: what computes the predictor's answers, by its name; see `backends`.

    Attributes:
        pictures: places of the queue.
        bytes: room for bodies.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: Settings,
        examples: Sequence[Example] = (),
        backend: tuple[str, Answers] | None = None,
    ) -> None:
        self.examples = examples
        self._backend, self._compute = backend or ("torch", predictor.probabilities_of)
        self.predictor, self.settings, self.metrics = predictor, settings, Metrics()
        self.pictures, self.bytes = Capacity(settings.queue), Capacity(settings.bytes_in_memory)
        self.metrics.waiting.set_function(lambda: self.pictures.used)
        self.doubt: Doubt | None = doubt_of(predictor)
        self.ready = False
        # More of them make a CPU no faster, and who comes first waits for all.
        most = settings.most_batch or (8 if predictor.device.type == "cpu" else 32)
        self._batcher = Batcher(self._compute, most, self.metrics.batch.observe)
        self._decoders = ThreadPoolExecutor(max(os.cpu_count() or 1, 2), "decode")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Warm the model up and answer, for as long as the block lasts."""
        blank = np.zeros((self.predictor.size_px, self.predictor.size_px, 3), np.uint8)
        await self._batcher.alone(self._compute, blank[None])
        task = asyncio.create_task(self._batcher.run())
        self.ready = True
        yield
        self.ready = False
        task.cancel()

    async def answer_all(
        self, uploads: Sequence[Upload], top: int, heat: bool
    ) -> tuple[schemas.Answers, list[PictureError]]:
        """Answers to all pictures, and what was wrong with those that have none."""
        found = await asyncio.gather(*(self._answer(upload, top, heat) for upload in uploads))
        answers = [answer for answer, _ in found]
        return schemas.Answers(model=self.predictor.name, answers=answers), [why for _, why in found if why]

    async def _answer(self, upload: Upload, top: int, heat: bool) -> tuple[schemas.Answer, PictureError | None]:
        loop, most = asyncio.get_running_loop(), self.settings.most_pixels
        try:
            pixels = await loop.run_in_executor(self._decoders, self.predictor.read, upload.content, most)
        except PictureError as error:
            self.metrics.pictures.labels("refused").inc()
            return schemas.Answer(picture=upload.name, guesses=[], sure=None, error=str(error)), error
        row = await self._batcher.ask(pixels)
        (guesses,) = self.predictor.guesses(row[None], top)
        answer = schemas.Answer(
            picture=upload.name,
            guesses=[schemas.Guess(**vars(guess)) for guess in guesses],
            sure=None if self.doubt is None else bool(row.max() >= self.doubt.threshold),
            heat_map=await self._heat_map(pixels, guesses[0].label) if heat else None,
        )
        self.metrics.pictures.labels("unsure" if answer.sure is False else "answered").inc()
        return answer, None

    async def _heat_map(self, pixels: NDArray[np.uint8], label: int) -> schemas.HeatMap:
        found = await self._batcher.alone(heat_map, self.predictor, pixels, label)
        return schemas.HeatMap(method=found.method, label=label, places=found.places.tolist(), rest=found.rest)

    def about(self) -> schemas.Model:
        """What answers, and what it takes."""
        predictor, limits = self.predictor, self.settings
        return schemas.Model(
            name=predictor.name,
            backbones=[str(member.run.timm_name) for member in predictor.members],
            classes=len(predictor.classes),
            size_px=predictor.size_px,
            views=predictor.members[0].tta,
            backend=self._backend,
            calibrated=predictor.calibrated,
            external=predictor.external,
            threshold=self._threshold(),
            limits=schemas.Limits(files=limits.most_files, bytes=limits.most_bytes, pixels=limits.most_pixels),
            version=__version__,
        )

    def _threshold(self) -> schemas.Threshold | None:
        if self.doubt is None:
            return None
        return schemas.Threshold(
            threshold=self.doubt.threshold,
            right_kept=self.doubt.kept,
            wrong_passed=schemas.share(self.doubt.passed),
            right=self.doubt.right,
            wrong=self.doubt.wrong,
        )
