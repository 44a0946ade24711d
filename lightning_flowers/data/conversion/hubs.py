"""Data sets of Kaggle and of the Hugging Face hub, fetched whole by their own libraries, which keep them."""

import importlib
import re
from pathlib import Path

from lightning_flowers.errors import DataError, UserError

_KAGGLE, _HF = "kaggle://", "hf://"
_DATASET = re.compile(r"hf://datasets/([^/@]+/[^/@]+)(?:@(refs/[^/]+/[^/]+|[^/]+))?(?:/(.*[^/]))?/?")


def is_hub(root: str) -> bool:
    """Whether `root` is a data set of one of the hubs."""
    return root.startswith((_KAGGLE, _HF))


def fetch(root: str) -> Path:
    """The folder of this host that holds a hub's data set, fetched if need be.

    Args:
        root: `kaggle://COMPETITION`, `kaggle://OWNER/DATASET` or `hf://datasets/OWNER/NAME[@REVISION][/FOLDER]`.

    Raises:
        UserError: the library is missing, or the URL is none of these.
        DataError: it cannot be fetched; says what is asked for.
    """
    return _from_kaggle(root) if root.startswith(_KAGGLE) else _from_hugging_face(root)


def _from_kaggle(root: str) -> Path:
    handle = root.removeprefix(_KAGGLE).strip("/")
    competes = "/" not in handle
    try:
        hub = importlib.import_module("kagglehub")
    except ImportError as error:
        raise UserError(f"--data.root={root}: needs kagglehub: pip install 'lightning_flowers[kaggle]'") from error
    try:
        return Path((hub.competition_download if competes else hub.dataset_download)(handle))
    except Exception as error:  # its own, requests' and those of the disk have no base in common
        page = f"https://www.kaggle.com/{'competitions' if competes else 'datasets'}/{handle}"
        said = " ".join(str(error).split()) or type(error).__name__
        mend = (
            f"log in (a token of your Kaggle settings in ~/.kaggle), and look at {page}, whose rules must be accepted"
        )
        raise DataError(f"--data.root={root}: Kaggle does not give it ({said}): {mend}") from error


def _from_hugging_face(root: str) -> Path:
    match = _DATASET.fullmatch(root)
    if match is None:
        raise UserError(f"--data.root={root}: give hf://datasets/OWNER/NAME, then @REVISION or /FOLDER if need be")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError

    name, revision, inside = match.groups()
    patterns = [inside, f"{inside}/*"] if inside else None
    try:
        folder = Path(
            snapshot_download(
                name, repo_type="dataset", revision=revision, allow_patterns=patterns, ignore_patterns=["*.md", ".*"]
            )
        )
    except GatedRepoError as error:
        raise DataError(f"--data.root={root}: accept its terms on its page, and log in (hf auth login)") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"--data.root={root}: cannot be fetched: {said}") from error
    return folder / inside if inside else folder
