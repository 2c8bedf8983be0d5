#!/bin/sh
# All suites. What needs a cluster runs alone, since its faults are timed; the rest in two halves side by side.
python=.venv/bin/python
failed=0
$python -m pytest -m cluster || failed=1
$python -m pytest -m "browser or not (cluster or integration)" >.tests.log 2>&1 &
other=$!
$python -m pytest -m integration || failed=1
wait $other || failed=1
cat .tests.log
exit $failed
