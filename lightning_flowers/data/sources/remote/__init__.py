"""Shards from anywhere: fetched from a URL, ahead of need, to a bounded folder of this host."""

from lightning_flowers.data.sources.remote.store import RemoteStore

__all__ = ["RemoteStore"]
