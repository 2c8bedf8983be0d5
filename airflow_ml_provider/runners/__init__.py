"""What starts a stage's process, follows it and ends it: on this machine, or in a pod."""
