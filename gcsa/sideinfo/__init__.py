"""What else is known of a photo: field of view, heading, radio; and all of it as affinities."""
