"""Where photos were taken: positions, radii and confidences of queries, for maps and tables.

``gcsa locate`` weighs all that is known of each query (:mod:`gcsa.rerankers.posterior`) and writes
GeoJSON, CSV and a page with a map.
"""
