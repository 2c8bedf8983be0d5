"""Tests of whole processes of this machine, and those that take their time; none starts a server that others share."""

from tests.live.study import trials, tune

__all__ = ["trials", "tune"]
