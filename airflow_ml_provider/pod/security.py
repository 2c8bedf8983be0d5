"""The security context that Pod Security's level "restricted" asks for, where the author asks for none; no token.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from kubernetes.client import V1Capabilities, V1PodSecurityContext, V1PodSpec, V1SeccompProfile, V1SecurityContext

USER_ID = 1000


def restrict(spec: V1PodSpec) -> None:
    """Fill in the security contexts of a pod and its containers, field by field; what is set stays.

    A stage has no business with the API server, so it gets no token of its service account's either.

    The user id is set too, because an image whose user is root, or a name instead of a number, does not start
    under ``runAsNonRoot``.
    """
    if spec.automount_service_account_token is None:
        spec.automount_service_account_token = False
    pod = spec.security_context = spec.security_context or V1PodSecurityContext()
    if pod.run_as_non_root is None and pod.run_as_user is None:
        pod.run_as_user = USER_ID
    if pod.run_as_non_root is None:
        pod.run_as_non_root = pod.run_as_user != 0
    if pod.fs_group is None:
        pod.fs_group = pod.run_as_user
    if pod.seccomp_profile is None:
        pod.seccomp_profile = V1SeccompProfile(type="RuntimeDefault")
    for container in (*(spec.init_containers or ()), *spec.containers):
        own = container.security_context = container.security_context or V1SecurityContext()
        if own.allow_privilege_escalation is None and not own.privileged:
            own.allow_privilege_escalation = False
        if own.capabilities is None and not own.privileged:
            own.capabilities = V1Capabilities(drop=["ALL"])
