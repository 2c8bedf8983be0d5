"""Which objects are new, and when a pipeline is woken for them."""
