"""What each kind of stage does: its settings after rendering, what its request says, what its result means."""
