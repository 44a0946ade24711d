"""What two data sets have in common, told by their fingerprints.

`LISTED-CONTENT`, 16 hex digits each: the first of what a listing tells (names, sizes, record counts), the second of all
pictures, labels and ids. Only `LISTED` is known of shards that are still elsewhere, and of runs of older versions.
"""


def content(fingerprint: str | None) -> str | None:
    """What may stand for the data: those known to the last label by their content, others by what a listing tells."""
    return fingerprint and fingerprint.split("-")[-1]


def common(one: str | None, other: str | None) -> str | None:
    """The fingerprint of what both are known to be; None if they differ. One that lacks the content tells less."""
    if one is None or other is None:
        return None
    if "-" in one and "-" in other:
        return one if content(one) == content(other) else None
    listed = one.split("-")[0]
    return listed if listed == other.split("-")[0] else None
