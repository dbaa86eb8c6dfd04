"""The library: what Python programs and notebooks use. Reads, computes and tries; never signs or sends."""
