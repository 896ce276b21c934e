"""LaMAR: indoor and outdoor scenes with poses, rigs of cameras and radio scans."""
