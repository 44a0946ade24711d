"""Demo petals: a small data set of drawn flowers in the competition's layout."""
