"""Show: view models, tables and JSON documents. Computes no figure that a plan or a decision rests on."""
