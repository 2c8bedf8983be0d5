"""Parts of a pod, one Kubernetes concept a module."""
