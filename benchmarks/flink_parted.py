"""A cluster whose JobManager and TaskManagers hear each other through links, which a benchmark may cut."""

from __future__ import annotations

from typing import Any

from tests.link import Link

from benchmarks.api_load import free_port
from ringfence.adapters.flink import LocalCluster


class PartedCluster(LocalCluster):
    """Calls go through `links`: one leads to the JobManager, and one to each TaskManager.

    Records between TaskManagers, to and from Kafka, and checkpoints do not.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.links: list[Link] = []

    def settings(self) -> dict[str, Any]:
        """See `LocalCluster.settings`: others find the JobManager at a link's port."""
        return super().settings() | self._through("jobmanager")

    def settings_of_worker(self) -> dict[str, Any]:
        """See `LocalCluster.settings_of_worker`."""
        return self._through("taskmanager")

    def cut(self) -> None:
        """From now on the JobManager hears no TaskManager, and none hears it."""
        for link in self.links:
            link.cut()

    def mend(self, *, broken: bool) -> None:
        """See `Link.mend`."""
        for link in self.links:
            link.mend(broken=broken)

    def close(self) -> None:
        """See `LocalCluster.close`."""
        super().close()
        for link in self.links:
            link.__exit__()
        self.links = []

    def _through(self, process: str) -> dict[str, Any]:
        link, port = Link(), free_port()
        link.lead(port)
        self.links.append(link)
        return {f"{process}.rpc.port": link.port, f"{process}.rpc.bind-port": port}
