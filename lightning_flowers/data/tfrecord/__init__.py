"""TFRecord files: framing, `tf.train.Example`, shards, their index, and writing them."""
