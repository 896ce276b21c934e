"""From photos to descriptors: what trains a descriptor network.

``collection.py`` has the photos and what is known of them, ``photos.py`` and ``augmentation.py``
make pixels of them, a file each chooses batches (``tuples.py``, ``places.py``, ``groups.py``), and
``describing.py`` puts them together.
"""
