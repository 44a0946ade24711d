"""The page of one run, as HTML and as Markdown, and the files that go with it. Needs no torch."""
