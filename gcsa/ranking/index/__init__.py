"""A first round beyond memory: an approximate index by faiss, on disk, made once, added to."""
