"""Work that takes longer than a page: one after the other, with progress, until it is done or given up."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import RingfenceError
from ringfence.masking import lettered

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT: Final = 50


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class StoppedError(Exception):
    """Raised inside a job that somebody has stopped."""


@dataclass(slots=True)
class Job:
    """One piece of work. `result` is there once it is done, `problem` once it has failed."""

    title: str
    id: str = field(default_factory=lambda: lettered(secrets.token_hex(8)))
    state: JobState = JobState.WAITING
    done: int = 0
    total: int = 0
    result: Any = None
    problem: str = ""
    stop_asked: bool = False

    @property
    def is_over(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED, JobState.STOPPED)

    def tell(self, done: int, total: int) -> None:
        """How far the work is; `StoppedError` when it is wanted no longer."""
        if self.stop_asked:
            raise StoppedError
        self.done, self.total = done, total


class Jobs:
    """The latest jobs of one server, one running at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ringfence-job")
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._latest: OrderedDict[str, Job] = OrderedDict()  # by what they were begun instead of
        self._lock = threading.Lock()

    def begin(self, title: str, work: Callable[[Job], Any], instead_of: str = "") -> Job:
        """Queue some work; it calls `Job.tell` now and then.

        What was begun before `instead_of` the same, if anything, is given up: nobody waits for it.
        """
        job = Job(title)
        with self._lock:
            if instead_of:
                if (before := self._latest.pop(instead_of, None)) is not None:
                    before.stop_asked = True
                self._latest[instead_of] = job
                while len(self._latest) > _KEPT:
                    self._latest.popitem(last=False)
            self._jobs[job.id] = job
            while len(self._jobs) > _KEPT:
                self._jobs.popitem(last=False)[1].stop_asked = True
        self._pool.submit(_run, job, work)
        return job

    def find(self, job_id: str) -> Job | None:
        """A job by its id."""
        with self._lock:
            return self._jobs.get(job_id)

    def stop(self) -> None:
        """Give up everything."""
        with self._lock:
            for job in self._jobs.values():
                job.stop_asked = True
        self._pool.shutdown(wait=True, cancel_futures=True)


def _run(job: Job, work: Callable[[Job], Any]) -> None:
    job.state = JobState.RUNNING
    try:
        job.tell(0, 0)
        job.result = work(job)
        job.state = JobState.DONE
    except StoppedError:
        job.state = JobState.STOPPED
    except RingfenceError as error:
        job.problem, job.state = str(error), JobState.FAILED
    except Exception:
        job.problem, job.state = "Something went wrong; the server's log has the details.", JobState.FAILED
        raise
