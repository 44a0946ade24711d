"""From a picture's bytes to an answer, on the event loop."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from lightning_flowers import __version__
from lightning_flowers.data.photograph import PictureError
from lightning_flowers.errors import UserError
from lightning_flowers.export.checking import Answers
from lightning_flowers.secrets import redact
from lightning_flowers.serve import schemas
from lightning_flowers.serve.batching import Batcher
from lightning_flowers.serve.capacity import Capacity
from lightning_flowers.serve.guard import Metrics
from lightning_flowers.serve.settings import Settings
from lightning_flowers.serve.uploads import Upload
from lightning_flowers.serve.val_pictures import ValPictures
from lightning_flowers.use.doubt import Doubt, doubt_of
from lightning_flowers.use.heatmap import heat_map
from lightning_flowers.use.predictor import Predictor

_REST_SECONDS = 0.05


class Service:
    """A predictor with a queue before it.

    Args:
        backend: what computes the predictor's answers, by its name; see `backends`.

    Attributes:
        pictures: places of the queue.
        bytes: room for bodies.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: Settings,
        val: ValPictures | None = None,
        backend: tuple[str, Answers] | None = None,
    ) -> None:
        self.val = val
        self._backend, self._compute = backend or ("torch", predictor.probabilities_of)
        self.predictor, self.settings, self.metrics = predictor, settings, Metrics()
        self.pictures, self.bytes = Capacity(settings.queue), Capacity(settings.bytes_in_memory)
        self.metrics.waiting.set_function(lambda: self.pictures.used)
        self.doubt: Doubt | None = doubt_of(predictor)
        self.ready = False
        # More of them make a CPU no faster, and who comes first waits for all.
        most = settings.max_batch or (8 if predictor.device.type == "cpu" else 32)
        self._batcher = Batcher(self._compute, most, self.metrics.batch.observe)
        self._decoders = ThreadPoolExecutor(max(os.cpu_count() or 1, 2), "decode")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Warm the model up and answer, for as long as the block lasts."""
        blank = np.zeros((self.predictor.size_px, self.predictor.size_px, 3), np.uint8)
        await self._batcher.between_batches(self._compute, blank[None])
        tasks = [asyncio.create_task(self._batcher.run()), asyncio.create_task(self._look())]
        self.ready = True
        yield
        self.ready = False
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _look(self) -> None:
        """At all val pictures, one at a time, while nobody asks for anything."""
        val = self.val
        try:
            while val and val.neighbours and not val.ready:
                await (asyncio.sleep(_REST_SECONDS) if self.pictures.used else self._batcher.between_batches(val.look))
        except Exception as error:  # whatever it is, the server can do without
            sys.stderr.write(redact(f"neighbours none: {' '.join(str(error).split())}\n"))
            assert val
            val.neighbours = 0

    async def jpeg_of(self, number: int) -> bytes | None:
        """A val picture; None if it is not shown."""
        if self.val is None or not (self.val.neighbours or number in self.val.examples):
            return None
        try:
            return await self._batcher.between_batches(self.val.jpeg, number) if 0 <= number < len(self.val) else None
        except UserError:
            return None  # its file has gone

    async def answer_all(
        self, uploads: Sequence[Upload], top: int, heat: bool, near: bool = False
    ) -> tuple[schemas.Answers, list[PictureError]]:
        """Answers to all pictures, and what was wrong with those that have none."""
        found = await asyncio.gather(*(self._answer(upload, top, heat, near) for upload in uploads))
        answers = [answer for answer, _ in found]
        return schemas.Answers(model=self.predictor.name, answers=answers), [why for _, why in found if why]

    async def _answer(
        self, upload: Upload, top: int, heat: bool, near: bool
    ) -> tuple[schemas.Answer, PictureError | None]:
        try:
            pixels, row = await self._see(upload.content)
        except PictureError as error:
            self.metrics.pictures.labels("refused").inc()
            return schemas.Answer(picture=upload.name, guesses=[], sure=None, error=str(error)), error
        (guesses,) = self.predictor.guesses(row[None], top)
        answer = schemas.Answer(
            picture=upload.name,
            guesses=guesses,
            sure=None if self.doubt is None else bool(row.max() >= self.doubt.threshold),
            heat_map=await self._heat_map(pixels, guesses[0].label) if heat else None,
            neighbours=await self._neighbours(pixels) if near else None,
        )
        self.metrics.pictures.labels("unsure" if answer.sure is False else "answered").inc()
        return answer, None

    async def _see(self, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """A picture's pixels and probabilities. Of the only one under way one thread finds both: the slowest answers
        are those where a thread had to wait until it could wake another."""
        if self.pictures.used == 1:
            return await self._batcher.between_batches(self._see_alone, content)
        loop = asyncio.get_running_loop()
        pixels = await loop.run_in_executor(self._decoders, self._read, content)
        return pixels, await self._batcher.ask(pixels)

    def _see_alone(self, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        pixels = self._read(content)
        self.metrics.batch.observe(1)
        return pixels, self._compute(pixels[None])[0]

    def _read(self, content: bytes) -> NDArray[np.uint8]:
        return self.predictor.read(content, self.settings.max_pixels)

    async def _heat_map(self, pixels: NDArray[np.uint8], label: int) -> schemas.HeatMap:
        found = await self._batcher.between_batches(heat_map, self.predictor, pixels, label)
        return schemas.HeatMap(method=found.method, label=label, places=found.places.tolist(), rest=found.rest)

    async def _neighbours(self, pixels: NDArray[np.uint8]) -> list[schemas.Neighbour] | None:
        if self.val is None or not self.val.ready:
            return None
        return await self._batcher.between_batches(self.val.nearest, pixels)

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
            threshold=self.doubt,
            neighbours=self._looked_at(),
            limits=schemas.Limits(files=limits.max_files, bytes=limits.max_bytes, pixels=limits.max_pixels),
            version=__version__,
        )

    def _looked_at(self) -> schemas.Neighbours | None:
        if self.val is None or not self.val.neighbours:
            return None
        return schemas.Neighbours(shown=self.val.neighbours, pictures=len(self.val), known=self.val.known)
