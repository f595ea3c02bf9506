"""What differs between a small and a large installation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Sizes of an installation. Money is an estimate in US dollars a month, eu-central-1, on demand."""

    name: str
    cpu: int  # of the deciding task, in 1/1024 of a core
    memory_mib: int
    task_gib: int  # of the task's own disk, where copies of the log wait for their upload
    private: bool  # tasks in subnets without a way to the internet, AWS reached through endpoints
    database: str  # instance class
    database_gib: int
    database_connections: int  # what PostgreSQL allows on this class
    flink_units: int
    model_instance: str
    model_instances: int
    log_days: int
    backup_days: int
    budget_usd: int


SMALL = Profile(
    name="small",
    cpu=1024,
    memory_mib=4096,
    task_gib=21,
    private=False,
    database="t4g.micro",
    database_gib=20,
    database_connections=80,
    flink_units=0,
    model_instance="",
    model_instances=0,
    log_days=30,
    backup_days=7,
    budget_usd=120,
)
LARGE = Profile(
    name="large",
    cpu=8192,
    memory_mib=32768,
    task_gib=200,
    private=True,
    database="r7g.xlarge",
    database_gib=500,
    database_connections=3000,
    flink_units=4,
    model_instance="ml.c7i.xlarge",
    model_instances=2,
    log_days=365,
    backup_days=14,
    budget_usd=6000,
)
