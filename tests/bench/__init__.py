"""What `make bench-input` measures: the input pipeline beside its peers, one at a time, in turns."""
