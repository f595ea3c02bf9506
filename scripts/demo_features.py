"""The demo's `features.py`: the catalog, and who shares a device with whom: there are rings to find."""

import ringfence as rf

graph = rf.Graph.of(rf.uses("customer", "device", ttl="60d", cap=10), windows=("1d", "7d"))
spec = rf.CATALOG.with_graph(graph)
