"""Pictures of any kind, converted into shards: what `--data.root` and `records convert` take."""
