"""One file for each version of the schema; never edited once released."""
