"""What whoever triggers a run may choose, and what may be chosen by nobody but the author."""
