"""What two data sets have in common, told by their fingerprints.

`LISTED-CONTENT`, 16 hex digits each: the first of what a listing tells (names, sizes, record counts), the second of all
pictures, labels and ids. Only `LISTED` is known of shards that are still elsewhere, and of runs of older versions.
"""

_OTHER = "other records"
_ALIKE = "shards of the same names and sizes, with other content, or an earlier version's account of it"


def content(fingerprint: str | None) -> str | None:
    """What may stand for the data: those known to the last label by their content, others by what a listing tells."""
    return fingerprint and fingerprint.split("-")[-1]


def difference(one: str | None, other: str | None) -> str:
    """In what they differ; "" where nothing does that is known of both: one that lacks the content tells less."""
    if one is None or other is None:
        return _OTHER
    alike, known = one.split("-")[0] == other.split("-")[0], "-" in one and "-" in other
    if content(one) == content(other) if known else alike:
        return ""
    return _ALIKE if alike else _OTHER
