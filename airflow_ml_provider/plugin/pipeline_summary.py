"""The summary of a pipeline, of what its stages said last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from airflow_ml_provider.plugin.stage_facts import Fact, address_of, mapping_of, text_of, texts_of
from airflow_ml_provider.plugin.summary_answers import (
    ChampionAnswer,
    DataAnswer,
    DriftAnswer,
    EndpointAnswer,
    FoundAnswer,
    SummaryAnswer,
)

KEYS: Mapping[str, tuple[str, ...]] = {
    "approve": ("approval",),
    "monitor": ("alarm", "drift"),
    "register": ("model",),
    "serve": ("endpoint",),
    "source": ("claim",),
}
"""The XComs of which a summary is made, by kind."""
_CHAMPION = "champion"
A = TypeVar("A", bound=FoundAnswer)


def summary_of(facts: Iterable[Fact]) -> SummaryAnswer:
    """Return the summary of a pipeline.

    Args:
        facts: What its stages said last.
    """
    by_key: dict[str, list[Fact]] = {}
    for fact in facts:
        by_key.setdefault(fact.key, []).append(fact)
    endpoints: dict[tuple[str, str], EndpointAnswer] = {}
    for fact in sorted(by_key.get("endpoint", []), key=lambda fact: fact.at):
        if endpoint := _endpoint(fact):
            endpoints[endpoint.task_id, endpoint.model] = endpoint
    return SummaryAnswer(
        champions=_champions(by_key),
        endpoints=_by_task(endpoints.values()),
        drift=_by_task(_drift(each, by_key.get("drift", [])) for each in by_key.get("alarm", [])),
        data=_by_task(_data(each) for each in by_key.get("claim", [])),
    )


def _champions(by_key: Mapping[str, list[Fact]]) -> list[ChampionAnswer]:
    """Return of each model the version that became champion last: at registration, by approval, or in serving."""
    registered = by_key.get("model", [])
    found = [
        *(each for fact in registered if mapping_of(fact.value).get("alias") == _CHAMPION for each in _version(fact)),
        *(each for fact in by_key.get("approval", []) for each in _approved(fact)),
        *(each for fact in by_key.get("endpoint", []) if _serves_champion(fact) for each in _version(fact)),
    ]
    newest: dict[str, ChampionAnswer] = {}
    for each in sorted(found, key=lambda each: each.at):
        before = newest.get(each.model)
        # A later run that found it to be champion changes nothing about who made it so, and since when.
        newest[each.model] = before if before and before.version == each.version else each
    return sorted(newest.values(), key=lambda each: each.model)


def promoted(facts: Iterable[Fact], *, kinds: Mapping[str, str]) -> list[str]:
    """Return the versions that a run made champion.

    Args:
        facts: What the stages of the run said.
        kinds: Their kinds, by task.
    """
    promotions = (fact for fact in facts if mapping_of(fact.value).get("promoted") is True)
    found = summary_of(fact for fact in promotions if fact.key in KEYS.get(kinds.get(fact.task_id, ""), ()))
    return [f"{each.model} {each.version}" for each in found.champions]


def add_gates(champions: Iterable[ChampionAnswer], registered: Iterable[Fact]) -> None:
    """Add to champions what the gates said of them.

    Args:
        champions: Versions of one pipeline.
        registered: The XComs ``model`` of the pipeline, of the runs that made them champion.
    """
    gates = {
        (fact.run_id, version.model, version.version): _gate(fact) for fact in registered for version in _version(fact)
    }
    for each in champions:
        each.gate = gates.get((each.run_id, each.model, each.version), [])


def _by_task(found: Iterable[A]) -> list[A]:
    return sorted(found, key=lambda each: (each.task_id, each.at))


def _serves_champion(fact: Fact) -> bool:
    value = mapping_of(fact.value)
    return value.get("champion") is not None and value.get("champion") == value.get("version")


def _said(found: Fact) -> dict[str, Any]:
    return {"task_id": found.task_id, "run_id": found.run_id, "at": found.at}


def _version(fact: Fact) -> list[ChampionAnswer]:
    value = mapping_of(fact.value)
    name, version = text_of(value.get("name") or value.get("model")), text_of(value.get("version"))
    return [ChampionAnswer(**_said(fact), model=name, version=version)] if name and version else []


def _approved(fact: Fact) -> list[ChampionAnswer]:
    value = mapping_of(fact.value)
    if value.get("approval") != "approved" or value.get("promoted") is not True:
        return []
    return [each.model_copy(update={"by": text_of(value.get("approval_by"))}) for each in _version(fact)]


def _gate(fact: Fact) -> list[str]:
    gates = mapping_of(fact.value).get("gates")
    each_gate = gates if isinstance(gates, list) else []
    return [reason for gate in each_gate for reason in texts_of(mapping_of(gate).get("reasons"))]


def _endpoint(fact: Fact) -> EndpointAnswer | None:
    value = mapping_of(fact.value)
    model, version = text_of(value.get("model")), text_of(value.get("version"))
    if not model or not version:
        return None
    return EndpointAnswer(**_said(fact), model=model, version=version, url=address_of(value.get("url")))


def _drift(alarm: Fact, drift: Iterable[Fact]) -> DriftAnswer:
    value = mapping_of(alarm.value)
    of_alarm = alarm.task_id, alarm.run_id, alarm.map_index
    same = (fact for fact in drift if (fact.task_id, fact.run_id, fact.map_index) == of_alarm)
    columns = next((mapping_of(fact.value).get("drifted") for fact in same), None)
    raised = value.get("raised") is True
    return DriftAnswer(**_said(alarm), raised=raised, drifted=texts_of(columns), reasons=texts_of(value.get("reasons")))


def _data(fact: Fact) -> DataAnswer:
    value = mapping_of(fact.value)
    return DataAnswer(
        **_said(fact),
        objects=_count(value.get("objects")),
        newest=text_of(value.get("newest")),
        waiting=sum(_count(value.get(key)) for key in ("more", "unsettled", "busy")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0
