"""kapture 1.1: its folders read as scenes, and scenes written as its folders."""
