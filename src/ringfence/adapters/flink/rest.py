"""What a cluster's JobManager says and does over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import httpx

from ringfence.errors import StoreError

FINAL: Final = frozenset({"FINISHED", "FAILED", "CANCELED"})
_SECONDS: Final = 10.0
_PAUSE: Final = 0.2


@dataclass(frozen=True, slots=True)
class JobLook:
    """How a job is doing.

    Attributes:
        state: Flink's word, such as `RUNNING`.
        tasks: how many of its tasks run, of how many.
        checkpoints: how many have been completed.
        failed: how many checkpoints could not be completed.
        problem: the cause of the last error, in Flink's words; empty where there is none.
    """

    state: str
    tasks: tuple[int, int]
    checkpoints: int
    failed: int
    problem: str

    @property
    def all_tasks_run(self) -> bool:
        """Whether no task is starting or has ended."""
        return self.tasks[0] == self.tasks[1]

    @property
    def is_over(self) -> bool:
        """Whether it runs no more, for whatever reason."""
        return self.state in FINAL


class JobManager:
    """The JobManager at an address; `StoreError` where it does not answer."""

    def __init__(self, address: str) -> None:
        """`address` is HOST:PORT of its REST interface."""
        self.address = address
        self._client = httpx.Client(base_url=f"http://{address}", timeout=_SECONDS, trust_env=False)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def slots(self) -> int:
        """Slots of the TaskManagers that have come."""
        return int(self._get("/overview")["slots-total"])

    def jobs(self) -> dict[str, str]:
        """The state of each job, by id."""
        return {one["id"]: one["status"] for one in self._get("/jobs")["jobs"]}

    def look(self, job: str) -> JobLook:
        """How a job is doing."""
        told = self._get(f"/jobs/{job}")
        running = sum(one["tasks"].get("RUNNING", 0) for one in told["vertices"])
        total = sum(one["parallelism"] for one in told["vertices"])
        counts = self._get(f"/jobs/{job}/checkpoints").get("counts", {})
        done, failed = counts.get("completed", 0), counts.get("failed", 0)
        return JobLook(told["state"], (running, total), done, failed, self._problem(job))

    def checkpoints(self, job: str) -> dict[int, int]:
        """Milliseconds that the last completed checkpoints took from end to end, by their numbers."""
        told = self._get(f"/jobs/{job}/checkpoints").get("history", [])
        return {one["id"]: one["end_to_end_duration"] for one in told if one["status"] == "COMPLETED"}

    def stop(self, job: str, folder: str, patience: float) -> str:
        """Stop a job with a savepoint in `folder`; returns where that is. `StoreError` where it fails."""
        asked = self._post(f"/jobs/{job}/stop", {"targetDirectory": folder, "drain": False})
        end = time.monotonic() + patience
        while time.monotonic() < end:
            told = self._get(f"/jobs/{job}/savepoints/{asked['request-id']}")
            if told["status"]["id"] == "COMPLETED":
                if "location" in told["operation"]:
                    return str(told["operation"]["location"])
                raise StoreError(f"no savepoint was made: {_failure(told['operation'])}")
            time.sleep(_PAUSE)
        raise StoreError(f"no savepoint was made within {patience:.0f} s")

    def _problem(self, job: str) -> str:
        entries = self._get(f"/jobs/{job}/exceptions").get("exceptionHistory", {}).get("entries", [])
        return innermost(str(entries[0].get("stacktrace", ""))) if entries else ""

    def _get(self, path: str) -> Any:
        return self._ask("GET", path).json()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("POST", path, json=body).json()

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise StoreError(f"Flink's JobManager at {self.address} does not answer: {error}") from None
        if answer.is_error:
            raise StoreError(f"Flink's JobManager at {self.address} refuses {path}: {answer.text[:500]}")
        return answer


def innermost(trace: str) -> str:
    """The innermost cause that a trace of Java names, or its first line; a Python process's end is none."""
    lines = trace.strip().splitlines() or [""]
    causes = [line.strip() for line in lines if line.strip().startswith("Caused by: ")]
    named = [cause for cause in causes if "Python process exits" not in cause]
    return named[-1].removeprefix("Caused by: ") if named else lines[0]


def _failure(operation: dict[str, Any]) -> str:
    return innermost(str(operation.get("failure-cause", {}).get("stack-trace", operation)))
