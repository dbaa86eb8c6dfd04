"""A local chain with real protocol contracts at their real addresses. Knows nothing of the package defilev."""
