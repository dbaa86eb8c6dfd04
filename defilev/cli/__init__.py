"""The command line: one file for each command. Prints results to stdout and everything else to stderr."""
