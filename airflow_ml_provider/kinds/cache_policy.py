"""The argument ``cache`` of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow_ml_provider.decisions.reuse import CachePolicy
from airflow_ml_provider.errors import StageConfigurationError

_KEYS = ("ignore", "image", "ttl", "version")
TRUST_TAG = "trust-tag"


def cache_policy(cache: bool | Mapping[str, Any], *, task_id: str) -> CachePolicy | None:
    """Return the policy that an argument stands for, ``None`` for an argument that is off.

    Raises:
        StageConfigurationError: It holds what it may not.
    """
    if isinstance(cache, bool):
        return CachePolicy() if cache else None
    if not isinstance(cache, Mapping):
        raise StageConfigurationError(f"stage {task_id!r}: cache is {cache!r}; give True, False or a mapping")
    unknown = sorted(cache.keys() - set(_KEYS))
    if unknown:
        raise StageConfigurationError(f"stage {task_id!r}: cache has no {unknown[0]!r}; it has {', '.join(_KEYS)}")
    ttl, image, ignore = cache.get("ttl"), cache.get("image"), cache.get("ignore") or ()
    if ttl is not None and not (isinstance(ttl, timedelta) and ttl > timedelta()):
        raise StageConfigurationError(f"stage {task_id!r}: cache.ttl is {ttl!r}; give a timedelta above 0")
    if image not in (None, TRUST_TAG):
        raise StageConfigurationError(f"stage {task_id!r}: cache.image is {image!r}; allowed is {TRUST_TAG!r}")
    if isinstance(ignore, str):
        raise StageConfigurationError(f"stage {task_id!r}: cache.ignore is {ignore!r}; give a list")
    version = cache.get("version")
    return CachePolicy(
        ttl=ttl,
        ignore=tuple(ignore),
        version="" if version is None else str(version),
        trust_tag=image == TRUST_TAG,
    )
