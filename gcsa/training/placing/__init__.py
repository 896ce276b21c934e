"""Training of the network that corrects the posterior over places.

Queries and their lists (questions), what is changed of them from epoch to epoch (augmentation),
batches of several scenes and descriptors (batches), and the course of a run (placing).
"""
