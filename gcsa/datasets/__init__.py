"""Files to scenes and their truth, a module or folder a data set."""
