"""The artifact store: where outputs lie, how they are committed and how they are read back unchanged.

Used on both sides of the pod boundary; fsspec is imported when a store is first touched.
"""
