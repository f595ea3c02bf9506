"""Watching: alarms that reach a topic, a dashboard, a budget, tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnParameter, Duration, Stack, Tags
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as watch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from stacks.common import NAMESPACE

if TYPE_CHECKING:
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_sqs as sqs

    from stacks.profile import Profile
    from stacks.service import Service
    from stacks.store import Store
    from stacks.streams import Streams

_MORE = watch.ComparisonOperator.GREATER_THAN_THRESHOLD
_LESS = watch.ComparisonOperator.LESS_THAN_THRESHOLD


class Watch(Construct):
    """Alarms of what is there, on one topic, and a dashboard of the same metrics."""

    def __init__(self, scope: Construct, profile: Profile, topic: sns.ITopic) -> None:
        super().__init__(scope, "Watch")
        self._profile, self._topic = profile, topic
        self._rows: list[list[watch.IWidget]] = []
        self.alarms: list[watch.Alarm] = []

    def service(self, service: Service) -> None:
        """CPU 80 %, memory 80 %, errors, p99, no healthy task, and how far followers are behind."""
        cpu = service.service.metric_cpu_utilization()
        memory = service.service.metric_memory_utilization()
        p99 = _of_target(service, "TargetResponseTime", "p99")
        errors = _of_target(service, "HTTPCode_Target_5XX_Count", "Sum")
        refused = service.balancer.metrics.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, statistic="Sum")
        asked = _of_target(service, "RequestCount", "Sum")
        healthy = _of_target(service, "HealthyHostCount", "Minimum")
        rate = watch.MathExpression(
            expression="100 * (FILL(e, 0) + FILL(r, 0)) / FILL(a, 1)",
            using_metrics={"e": errors, "r": refused, "a": asked},
            label="errors, %",
        )
        lag = watch.Metric(namespace=NAMESPACE, metric_name="follower_lag_seconds", statistic="Maximum")
        self._alarm("ServiceCpu", cpu, 80, "The deciding task uses more than 80 % of its CPU")
        self._alarm("ServiceMemory", memory, 80, "The deciding task uses more than 80 % of its memory")
        self._alarm("Latency", p99, 0.25, "One answer in a hundred takes longer than 250 ms")
        self._alarm("ErrorRate", rate, 1, "More than 1 % of the answers are errors")
        self._alarm(
            "Down", healthy, 1, "No task answers", compare=_LESS, missing=watch.TreatMissingData.BREACHING
        )
        self._alarm("FollowerLag", lag, 300, "Something that follows the log is five minutes behind")
        self._row("Service", [cpu, memory], [p99], [rate], [lag])

    def store(self, store: Store) -> None:
        """CPU 80 %, a fifth of the storage left, connections 80 %."""
        cpu = store.database.metric_cpu_utilization()
        free = store.database.metric_free_storage_space(statistic="Minimum")
        connections = store.database.metric_database_connections(statistic="Maximum")
        self._alarm("DatabaseCpu", cpu, 80, "PostgreSQL uses more than 80 % of its CPU")
        left = self._profile.database_gib * (1 << 30) // 5
        self._alarm("DatabaseStorage", free, left, "Less than a fifth of the storage is left", compare=_LESS)
        most = self._profile.database_connections * 4 // 5
        self._alarm("DatabaseConnections", connections, most, "80 % of the connections are in use")
        self._row("PostgreSQL", [cpu], [free], [connections])

    def streams(self, streams: Streams) -> None:
        """How old the oldest payment is that nobody has read."""
        ages = [
            stream.metric_get_records_iterator_age_milliseconds(statistic="Maximum")
            for stream in (streams.payments, streams.decisions)
        ]
        for name, age in zip(("Payments", "Decisions"), ages, strict=True):
            self._alarm(f"{name}Lag", age, 60_000, f"{name} wait for more than a minute")
        self._row("Streams", ages)

    def queue(self, name: str, queue: sqs.IQueue) -> None:
        """Anything at all in a dead-letter queue."""
        waiting = queue.metric_approximate_number_of_messages_visible(statistic="Maximum")
        self._alarm(name, waiting, 0, "A dead-letter queue has messages: look at them and replay")

    def finish(self) -> None:
        """The dashboard, and the budget."""
        watch.Dashboard(
            self, "Dashboard", widgets=[*self._rows, [watch.AlarmStatusWidget(alarms=self.alarms)]]
        )
        amount = CfnParameter(
            self,
            "BudgetUsd",
            type="Number",
            min_value=1,
            default=self._profile.budget_usd,
            description="US dollars a month; operations hear at 80 % and when 100 % is forecast",
        )
        amount.override_logical_id("BudgetUsd")
        subscriber = budgets.CfnBudget.SubscriberProperty(
            subscription_type="SNS", address=self._topic.topic_arn
        )
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=amount.value_as_number, unit="USD"),
                cost_filters={"TagKeyValue": ["user:application$ringfence"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind, comparison_operator="GREATER_THAN", threshold=threshold
                    ),
                    subscribers=[subscriber],
                )
                for kind, threshold in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )

    def _alarm(
        self,
        name: str,
        metric: watch.IMetric,
        threshold: float,
        description: str,
        *,
        compare: watch.ComparisonOperator = _MORE,
        missing: watch.TreatMissingData = watch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        alarm = watch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            comparison_operator=compare,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            alarm_description=f"{description}. What to do: docs/operations/aws.md",
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))
        alarm.add_ok_action(actions.SnsAction(self._topic))
        self.alarms.append(alarm)

    def _row(self, title: str, *graphs: list[watch.IMetric]) -> None:
        width = 24 // len(graphs)
        self._rows.append(
            [
                watch.GraphWidget(title=title, left=graph, width=width, period=Duration.minutes(1))
                for graph in graphs
            ]
        )


def _of_target(service: Service, name: str, statistic: str) -> watch.Metric:
    """Of the task behind the balancer. CDK's own metrics spell the balancer's name out of its listener's."""
    return watch.Metric(
        namespace="AWS/ApplicationELB",
        metric_name=name,
        statistic=statistic,
        dimensions_map={
            "LoadBalancer": service.balancer.load_balancer_full_name,
            "TargetGroup": service.target.target_group_full_name,
        },
    )


_WITHOUT_PRICE = [
    f"AWS::{kind}"
    for kind in (
        "EC2::InternetGateway",
        "EC2::RouteTable",
        "EC2::SecurityGroup",
        "EC2::Subnet",
        "EC2::VPC",
        "IAM::Role",
        "CloudWatch::Alarm",  # a tenth of a dollar
    )
]


def tag(stack: Stack, profile: str, owner: str, environment: str) -> None:
    """Owner, environment and cost on everything that has a price: a template has no room for more."""
    for name, value in {
        "application": "ringfence",
        "profile": profile,
        "owner": owner,
        "environment": environment,
        "cost-center": f"ringfence-{environment}",
    }.items():
        Tags.of(stack).add(name, value, exclude_resource_types=_WITHOUT_PRICE)
