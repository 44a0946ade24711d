"""Where the data lie: a folder, a URL, Kaggle's mounts, or the demo petals."""

from pathlib import Path

from lightning_flowers.data.sources.competition import Source, open_source
from lightning_flowers.data.sources.demo import dataset as demo
from lightning_flowers.errors import UserError
from lightning_flowers.secrets import MEND, is_missing

KAGGLE_MOUNTS = (
    Path("/kaggle/input/competitions/tpu-getting-started"),
    Path("/kaggle/input/tpu-getting-started"),
    Path("/kaggle/input/competitions/flower-classification-with-tpus"),
    Path("/kaggle/input/flower-classification-with-tpus"),
)
REMOTE_LIMIT = 20 * 10**9


def find_source(root: str | None, remote_limit: int = REMOTE_LIMIT) -> Source:
    """Look for the data: at `root`, else on Kaggle's mounts, else the demo petals (made if need be).

    Args:
        root: a folder, or a URL that fsspec reads (`gs://`, `s3://`, `https://` with a listing.txt).
        remote_limit: bytes that shards of URLs may take on this host.

    Raises:
        DataError: no such folder or URL, or no shards in it; says what was expected.
        UserError: a URL whose secrets were left out.
    """
    if root is not None and is_url(root):
        if is_missing(root):
            raise UserError(f"--data.root={root}: {MEND}")
        from lightning_flowers.data.sources.remote.source import open_remote  # late: fsspec takes a while to import

        return open_remote(root, remote_limit)
    if root is not None:
        return open_source(Path(root).expanduser())
    mounted = next((mount for mount in KAGGLE_MOUNTS if mount.is_dir()), None)
    return open_source(mounted or demo.ensure())


def is_url(root: str) -> bool:
    """Whether `root` is a URL rather than a folder."""
    return "://" in root
