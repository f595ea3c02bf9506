"""Work in the background."""

import threading

from ringfence.api.background.jobs import Jobs, JobState


def test_work_begun_instead_of_other_work_gives_that_up():
    jobs, begun, go = Jobs(), threading.Event(), threading.Event()

    def work(job):
        begun.set()
        go.wait(60)
        job.tell(1, 2)
        return "done"

    first = jobs.begin("a", work, instead_of="mira")
    assert begun.wait(60)
    waiting = jobs.begin("b", work, instead_of="mira")
    others, latest = jobs.begin("c", work), jobs.begin("d", work, instead_of="mira")
    go.set()
    last = threading.Event()
    jobs.begin("e", lambda _job: last.set())
    assert last.wait(60)
    jobs.stop()
    assert [one.state for one in (first, waiting)] == [JobState.STOPPED, JobState.STOPPED]
    assert [one.state for one in (others, latest)] == [JobState.DONE, JobState.DONE]
