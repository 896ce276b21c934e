"""retrieval-SfM-120k: training images of landmarks, labelled by 3D model."""
