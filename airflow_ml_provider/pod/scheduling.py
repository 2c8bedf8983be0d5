"""Where a pod runs: spot nodes and queues in one word."""

from __future__ import annotations

from kubernetes.client import V1Toleration

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""https://kueue.sigs.k8s.io/docs/tasks/run/plain_pods/"""

# How each provider marks its spot nodes, and with which taint if any.
_SPOT = {
    # https://learn.microsoft.com/azure/aks/spot-node-pool
    "aks": ("kubernetes.azure.com/scalesetpriority", "spot", True),
    # https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html
    "eks": ("eks.amazonaws.com/capacityType", "SPOT", False),
    # https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms
    "gke": ("cloud.google.com/gke-spot", "true", True),
    # https://karpenter.sh/docs/concepts/scheduling/
    "karpenter": ("karpenter.sh/capacity-type", "spot", False),
}


def spot_nodes(provider: str) -> tuple[dict[str, str], list[V1Toleration]]:
    """Return the node selector and the tolerations that bring a pod to spot nodes.

    Args:
        provider: ``aks``, ``eks``, ``gke`` or ``karpenter``.
    """
    label, value, tainted = _SPOT[provider]
    tolerations = [V1Toleration(key=label, operator="Equal", value=value, effect="NoSchedule")] if tainted else []
    return {label: value}, tolerations
