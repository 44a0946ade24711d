"""What a file looks like that lies in a shard's place."""

_ZLIB = ("a TFRecord file packed with zlib", "write it unpacked, or packed with GZIP")
_LOOKS = (
    (b"\xff\xd8\xff", "a JPEG picture", "make shards of pictures with `records convert`"),
    (b"\x89PNG", "a PNG picture", "make shards of pictures with `records convert`"),
    (b"PK\x03\x04", "a zip archive", "unpack it"),
    (b"\xfd7zXZ", "an xz file", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstandard file", "unpack it"),
    (b"BZh", "a bzip2 file", "unpack it"),
    (b"PAR1", "a Parquet file", "write its records as TFRecords"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself (git lfs pull)"),
    (b"<!doctype", "an HTML page, as a failed download leaves", "fetch the shard again, logged in"),
    (b"<html", "an HTML page, as a failed download leaves", "fetch the shard again, logged in"),
    (b"<?xml", "an XML text, as a failed download leaves", "fetch the shard again, logged in"),
    (b"\x78\x01", *_ZLIB),
    (b"\x78\x5e", *_ZLIB),
    (b"\x78\x9c", *_ZLIB),
    (b"\x78\xda", *_ZLIB),
)
HEAD_BYTES = 512


def looks_like(head: bytes) -> str:
    """What a file that is no TFRecord seems to be, and the mend; empty where nothing is known.

    Args:
        head: its first bytes, up to 512.
    """
    if not any(head[4:8]):  # the upper half of a record's length, which is damaged elsewhere
        return ""
    if head[257:262] == b"ustar":
        return "it is a tar archive: unpack it"
    start = head.lstrip()[:32].lower() if head.lstrip()[:1] == b"<" else head
    for magic, name, mend in _LOOKS:
        if start.startswith(magic):
            return f"it is {name}: {mend}"
    return ""
