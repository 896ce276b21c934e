"""Folders of images whose names hold their UTM position: the '@' convention."""
