"""A pod's log against streams that break, freeze and repeat; the pod's end is never decided by them."""

import threading
import time

import pytest
from kubernetes.client import ApiException

from airflow_ml_provider.decisions.pods.log_position import LogPosition
from airflow_ml_provider.hooks.pod_log import PodLog
from airflow_ml_provider.testing.airflow_api import wait_until


def stamped(second, text):
    return f"2026-11-24T12:00:{second:02}.000000000Z {text}\n".encode()


class Stream:
    """What the API server sends of a log; ``freezes`` keeps the connection open without a word.

    Each chunk comes after a pause.
    """

    def __init__(self, *chunks, freezes=False, pause=0.0):
        self._chunks, self._freezes, self._pause = chunks, freezes, pause
        self._cut = threading.Event()

    def stream(self, **_):
        for chunk in self._chunks:
            if self._cut.wait(self._pause):
                raise OSError("the connection was shut down")
            yield chunk
        if self._freezes:
            self._cut.wait(30)
            raise OSError("the connection was shut down")

    def shutdown(self):
        self._cut.set()


class Pods:
    namespace = "ml"

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []

    def log(self, name, *, container, since, follow):
        self.asked.append((since, follow))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def read(pods, seconds=4.0, longest=60.0):
    told = []
    log = PodLog(pods, "p", container="base", emit=told.append)
    log.start()
    log.start()
    whole = log.finish(seconds, longest=longest)
    return told, whole, list(log.tail)


def test_lines_that_were_cut_within_a_chunk_come_whole_and_once():
    line = stamped(1, "loss 0.5")
    told, whole, tail = read(Pods(Stream(line[:9], line[9:], stamped(2, "done")), Stream(line, stamped(2, "done"))))
    assert (told, whole, tail) == (["loss 0.5", "done"], True, ["loss 0.5", "done"])


def test_a_frozen_stream_is_cut_and_its_rest_read_without_following():
    pods = Pods(Stream(stamped(1, "one"), freezes=True), Stream(stamped(1, "one"), stamped(2, "two")))
    started = time.monotonic()
    told, whole, _ = read(pods)
    assert time.monotonic() - started < 4
    assert (told, whole) == (["one", "two"], True)
    assert [follow for _, follow in pods.asked][-1] is False


def test_a_log_that_stays_frozen_is_given_up_in_time():
    started = time.monotonic()
    told, whole, _ = read(Pods(Stream(freezes=True)), seconds=1.0)
    assert time.monotonic() - started < 2
    assert (told, whole) == ([], False)


def test_a_long_rest_is_read_for_as_long_as_lines_come():
    """200 MB of log come for a minute after the container ended; a stream in the middle of them does not hang."""
    lines = [stamped(second, f"line {second}") for second in range(8)]
    told, whole, _ = read(Pods(Stream(*lines, pause=0.3), Stream(*lines, pause=0.3)), seconds=2.0)
    assert (told, whole) == ([f"line {second}" for second in range(8)], True)


def test_a_rest_without_end_is_given_up():
    """A sidecar that goes on while its pod is deleted, or a container whose time is over."""
    lines = [stamped(second, f"line {second}") for second in range(59)]
    started = time.monotonic()
    _, whole, _ = read(Pods(Stream(*lines, pause=0.2), Stream(*lines, pause=0.2)), seconds=1.0, longest=1.0)
    assert not whole
    assert time.monotonic() - started < 2


def forbidden():
    error = ApiException(status=403, reason="Forbidden")
    error.body = '{"message": "pods \\"p\\" is forbidden: User \\"x\\" cannot get resource"}'
    return error


def test_who_reads_on_from_a_mark_reports_each_line_once():
    told = []
    log = PodLog(
        Pods(Stream(stamped(1, "one"), stamped(2, "two"), freezes=True)), "p", container="base", emit=told.append
    )
    log.start()
    wait_until(lambda: len(told) == 2, what="two lines", seconds=5, every=0.01)
    log.leave()
    position = LogPosition.at(log.mark)
    assert position.since() == "2026-11-24T12:00:02+00:00"
    again = [stamped(second, text).decode().rstrip("\n") for second, text in ((2, "two"), (2, "too"), (3, "three"))]
    assert [position.new_text(line) for line in again] == [None, "too", "three"]


def test_a_missing_right_is_said_once_and_ends_the_reading():
    started = time.monotonic()
    told, _, _ = read(Pods(forbidden()), seconds=4.0)
    assert time.monotonic() - started < 3
    assert len(told) == 1
    assert "refused to get pods/log ml/p" in told[0]


def test_a_server_that_has_just_started_may_refuse_what_it_allowed_before():
    broken = Stream(stamped(1, "one"))
    told, whole, _ = read(Pods(broken, forbidden(), forbidden(), Stream(stamped(1, "one"), stamped(2, "two"))))
    assert (told, whole) == (["one", "two"], True)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_log_that_is_not_there_yet_or_any_more_is_tried_again(status):
    told, whole, _ = read(Pods(ApiException(status=status, reason="x"), Stream(stamped(1, "one"))))
    assert (told, whole) == (["one"], True)


def test_a_last_line_without_an_end_is_a_line_and_a_cut_one_comes_again():
    half = stamped(1, "words before a crash")[:-1]
    pods = Pods(Stream(half[:30]), Stream(half))
    told, whole, tail = read(pods)
    assert (told, whole, tail) == (["words before a crash"], True, ["words before a crash"])


def test_a_line_without_end_is_cut_with_a_mark():
    line = stamped(1, "L" * 10_000_000)
    told, _, _ = read(Pods(Stream(line[:1000], line[1000:5000], line[5000:], stamped(2, "after"))))
    assert told[1] == "after"
    assert told[0].startswith("LLLL")
    assert len(told[0]) < 17_000
    assert told[0].endswith("LL ... (cut, the line has 10,000,031 bytes)")


def test_lines_that_the_node_threw_away_are_named():
    broken, rotated = Stream(stamped(1, "one"), stamped(2, "two")), Stream(stamped(9, "nine"), stamped(10, "ten"))
    told, whole, _ = read(Pods(broken, rotated))
    assert whole
    assert [told[0], told[1], told[3], told[4]] == ["one", "two", "nine", "ten"]
    between = "2026-11-24T12:00:02.000000000Z and 2026-11-24T12:00:09.000000000Z"
    assert told[2].startswith(f"WARNING: lines of the container's log between {between}")
    assert len(told) == 5


def test_an_end_that_the_node_threw_away_is_named():
    """The log was rotated after its last line was read: what is there now does not hold that line."""
    told, whole, _ = read(Pods(Stream(stamped(1, "one")), Stream()))
    assert whole
    (line, warning) = told
    assert line == "one"
    assert warning.startswith(
        "WARNING: lines of the container's log after 2026-11-24T12:00:01.000000000Z may be missing"
    )


def test_of_a_line_whose_end_was_thrown_away_the_beginning_is_reported():
    cut = stamped(2, "a line with many words")[:44]
    told, _, _ = read(Pods(Stream(stamped(1, "one"), cut), Stream(stamped(9, "nine"))))
    assert told[:2] == ["one", "a line with m ... (cut, its end is missing)"]
    assert "between 2026-11-24T12:00:01.000000000Z and 2026-11-24T12:00:09.000000000Z are missing" in told[2]
    assert told[3:] == ["nine"]
