"""The tests of defilev."""
