"""Where the camera was: poses from ranked images, files of hloc and LaMAR."""
