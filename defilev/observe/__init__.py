"""Look: drives the reads of protocols and venues over a chain, at one block."""
