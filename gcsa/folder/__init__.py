"""Own photos: a folder with a table of its images, and programs that write such tables."""
