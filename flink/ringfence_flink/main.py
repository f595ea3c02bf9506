"""What Flink's client runs of a package; what the job is told is in the package, too."""

import json
import pkgutil

from ringfence_flink.job import submit

submit(json.loads(pkgutil.get_data("ringfence_flink", "job.json") or b""))
