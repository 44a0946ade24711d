"""`records convert`: pictures of any size, in folders or named in a table, to shards in the competition's layout."""

from lightning_flowers.records.convert.command import convert_records

__all__ = ["convert_records"]
