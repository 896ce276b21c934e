"""Where a query was taken: evidence weighed into a posterior over places, and its calibration."""
