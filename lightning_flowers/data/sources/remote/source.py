"""A data set under a URL, as a source of splits whose shards come when they are needed."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lightning_flowers.data.sources.competition import SPLITS, Source, read_classes
from lightning_flowers.data.sources.folder import in_order
from lightning_flowers.data.sources.remote.store import RemoteStore
from lightning_flowers.data.splits.split import Split
from lightning_flowers.data.tfrecord.index import LazyShard, Rules
from lightning_flowers.errors import DataError, UserError
from lightning_flowers.secrets import redact

_FOLDER = re.compile(r"(?:.*/)?tfrecords-jpeg-(\d+)x\1/(train|val|test)")


@dataclass(frozen=True)
class RemoteSource(Source):
    """A data set in the competition's layout under a URL.

    Attributes:
        url: as the user gave it, with its secrets.
        store: brings its files.
    """

    url: str
    store: RemoteStore

    @property
    def where(self) -> str:
        """The URL without its secrets."""
        return redact(self.url)

    def has(self, split: str, size: int) -> bool:
        """Whether there is a shard of that split."""
        return bool(self._places(split, size))

    def open(self, split: str, size: int, skip: bool = False) -> Split:
        """One of the splits: its shards' names are checked now, each shard when it has come.

        Raises:
            DataError: no shard, or one is misnamed or missing.
            UserError: the splits of this size take more than the limit.
        """
        sizes = self.store.files()
        together = sum(sizes[place] for name in SPLITS for place in self._places(name, size))
        if together > (limit := self.store.limit):
            raise UserError(
                f"--data.remote_limit={limit}: the shards of {size} px take {together} bytes together, which "
                "are kept on this host: raise the limit"
            )
        rules = Rules(len(self.classes), split != "test", skip, self.order)
        folder = f"{self.store.url}/{self.sizes[size]}/{split}"  # without passwords
        places = {PurePosixPath(place).name: place for place in self._places(split, size)}
        names = [path.name for path in in_order([Path(name) for name in places], folder, size)]
        shards = [LazyShard(f"{folder}/{name}", rules, sizes[places[name]], self.store, places[name]) for name in names]
        return Split(folder, shards, size)

    def beside(self, name: str) -> Path | None:
        """A file of that name, where it lies under the URL."""
        return self.store.get(name) if name in self.store.files() else None

    def _places(self, split: str, size: int) -> list[str]:
        folder = self.sizes[size] / split
        return [place for place in self.store.files() if PurePosixPath(place).parent == PurePosixPath(folder)]


def open_remote(url: str, limit: int) -> RemoteSource:
    """The data set under a URL.

    Args:
        url: whatever fsspec reads, or http(s) with a `listing.txt`.
        limit: bytes that files of URLs may take on this host.

    Raises:
        DataError: the URL cannot be listed, or holds no shards.
        UserError: nothing that is installed reads such a URL.
    """
    store = RemoteStore(url, limit=limit)
    files = store.files()
    matches = [match for place in files if (match := _FOLDER.fullmatch(str(PurePosixPath(place).parent)))]
    sizes = {int(match[1]): Path(match[0]).parent for match in matches}
    if not sizes:
        raise DataError(
            f"--data.root={store.url}: no shards there; folders tfrecords-jpeg-SxS/{{train,val,test}} were expected "
            "(such as tfrecords-jpeg-224x224/train/00-224x224-798.tfrec)"
        )
    classes = read_classes(store.get("classes.txt") if "classes.txt" in files else None)
    return RemoteSource(Path(store.url), classes, sizes, url, store)
