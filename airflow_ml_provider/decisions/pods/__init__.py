"""What a pod's state means for its stage."""
