"""Measures speed, lateness and memory, each beside the limit of the same machine in the same run."""
