"""From a pipeline's file to plain values that know where they stand in it."""
