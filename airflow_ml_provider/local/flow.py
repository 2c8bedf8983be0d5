"""Which stage of a local run may begin, and what becomes of those that never do; the rules are Airflow's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

ENDED = ("success", "failed", "skipped", "upstream_failed")


class StageFlow:
    """The states of the stages of one run.

    Args:
        upstream: The direct upstream stages of each stage, in the order of the run.
    """

    def __init__(self, upstream: Mapping[str, Sequence[str]]) -> None:
        self._upstream = {name: list(found) for name, found in upstream.items()}
        self.states: dict[str, str] = dict.fromkeys(upstream, "waiting")

    def downstream(self, stage: str) -> list[str]:
        """Return the direct downstream stages of a stage."""
        return [name for name, found in self._upstream.items() if stage in found]

    def settle(self) -> list[str]:
        """Give a state to what can never begin; returns those stages, in the order of the run."""
        found = []
        for name in self._upstream:
            if self.states[name] == "waiting" and (state := self._without_run(name)):
                self.states[name] = state
                found.append(name)
        return found

    def ready(self) -> list[str]:
        """Return the stages that may begin: all before them succeeded."""
        return [
            name
            for name, found in self._upstream.items()
            if self.states[name] == "waiting" and all(self.states[other] == "success" for other in found)
        ]

    def take(self, stage: str, branch: Sequence[str]) -> list[str]:
        """Skip the direct downstream stages of a stage that neither are in a branch nor follow one that is.

        Returns:
            The stages that are skipped.
        """
        kept = {*branch, *(name for chosen in branch for name in self._all_after(chosen))}
        skipped = [name for name in self.downstream(stage) if name not in kept and self.states[name] == "waiting"]
        self.states.update(dict.fromkeys(skipped, "skipped"))
        return skipped

    @property
    def is_over(self) -> bool:
        """Whether every stage has ended."""
        return all(state in ENDED for state in self.states.values())

    def _without_run(self, stage: str) -> str:
        before = [self.states[other] for other in self._upstream[stage]]
        if any(state in ("failed", "upstream_failed") for state in before):
            return "upstream_failed"
        return "skipped" if "skipped" in before else ""

    def _all_after(self, stage: str) -> Iterator[str]:
        for name in self.downstream(stage):
            yield name
            yield from self._all_after(name)
