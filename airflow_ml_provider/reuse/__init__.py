"""Results of stages that are taken again instead of being made anew."""
