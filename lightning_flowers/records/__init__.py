"""`records`: looks into shards, checks them, and makes them."""
