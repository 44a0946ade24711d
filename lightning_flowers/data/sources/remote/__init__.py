"""Shards from anywhere: fetched from a URL, ahead of need, to a bounded folder of this host."""

from lightning_flowers.data.sources.remote.store import RemoteStore, check_shard

__all__ = ["RemoteStore", "check_shard"]
