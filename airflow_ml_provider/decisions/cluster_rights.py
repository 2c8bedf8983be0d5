"""All that operators and triggers ask of the Kubernetes API, by what needs it; tests show that none can be left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from airflow_ml_provider.decisions.serving.kserve import GROUP

Rule = dict[str, list[str]]

STAGES, SERVING, KSERVE = "stages", "serving", "kserve"
RULES: Mapping[str, list[Rule]] = {
    STAGES: [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
    ],
    SERVING: [
        {"apiGroups": [""], "resources": ["services"], "verbs": ["create", "delete", "get", "patch"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create", "delete", "list", "patch"]},
        {
            "apiGroups": ["autoscaling"],
            "resources": ["horizontalpodautoscalers"],
            "verbs": ["create", "delete", "list", "patch"],
        },
    ],
    KSERVE: [
        {"apiGroups": [GROUP], "resources": ["inferenceservices"], "verbs": ["create", "delete", "get", "update"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "delete", "get", "update"]},
    ],
}
"""Rules of a Role: for stages as pods, for endpoints as Deployments, for endpoints on KServe."""


def rules_of(uses: Collection[str]) -> list[Rule]:
    """Return the rules for some uses; serving needs those for stages too, since its checks are pods."""
    return [rule for use, rules in RULES.items() if use == STAGES or use in uses for rule in rules]


def flag_of(resource: str) -> str:
    """Return the flag of ``airflow-ml manifests`` that grants what is done with a resource; empty for the default."""
    use = next((use for use, rules in RULES.items() for rule in rules if resource in rule["resources"]), STAGES)
    return "" if use == STAGES else f" --{use}"
