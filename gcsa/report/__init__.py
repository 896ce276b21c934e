"""One HTML file about a training run: what it does to every query, to be looked at.

``gcsa report RUN`` evaluates a checkpoint of the run beside the first round, or a network that
describes photos beside itself before training, and writes figures, tables and pictures into one
page that needs no other file and no network.
"""
