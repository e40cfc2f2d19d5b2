"""The report: one HTML page made from records and from what evaluations kept beside them."""
