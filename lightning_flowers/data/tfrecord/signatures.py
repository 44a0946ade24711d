"""What a file looks like that lies in a shard's place."""

_LOOKS = (
    (b"\xff\xd8\xff", "a JPEG picture", "make shards of pictures with `records convert`"),
    (b"\x1f\x8b\x08", "a gzip file", "unpack it (gunzip)"),
    (b"PK\x03\x04", "a zip archive", "unpack it"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself (git lfs pull)"),
    (b"<!doctype", "an HTML page, as a failed download leaves", "fetch the shard again, logged in"),
    (b"<html", "an HTML page, as a failed download leaves", "fetch the shard again, logged in"),
    (b"<?xml", "an XML text, as a failed download leaves", "fetch the shard again, logged in"),
)
HEAD_BYTES = 512


def looks_like(head: bytes) -> str:
    """What a file that is no TFRecord seems to be, and the mend; empty where nothing is known.

    Args:
        head: its first bytes, up to 512.
    """
    start = head.lstrip()[:32].lower() if head.lstrip()[:1] == b"<" else head
    return next((f"it is {name}: {mend}" for magic, name, mend in _LOOKS if start.startswith(magic)), "")
