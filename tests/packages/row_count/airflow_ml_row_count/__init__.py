"""The stage kind row_count: fails on a dataset with too few rows."""
