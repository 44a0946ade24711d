"""The page of one run, and the files that go with it. Needs no torch."""
