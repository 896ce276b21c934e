"""Where a photo was taken, asked over HTTP: ``gcsa serve``.

``batching`` (who is let in, what is answered together, how it ends) knows no network; ``answering``
is what ``gcsa locate`` does, for photos and descriptors that come one by one; ``bodies`` and
``uploads`` read what strangers send; ``app`` and ``server`` put them on the network.
"""
