"""Benchmarks: each prints one JSON document, with a floor or a peer measured in the same run."""
