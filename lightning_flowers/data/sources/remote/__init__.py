"""Shards from anywhere: fetched from a URL, ahead of need, to a bounded folder of this host."""
