"""The service: one task that writes, its volume, and a balancer that speaks TLS in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, CfnParameter, Duration, RemovalPolicy
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from stacks.common import IMAGE, acknowledge, key, pull_images

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_s3 as s3

    from stacks.network import Network
    from stacks.profile import Profile

_PORT = 8000
_UID = "10001"
_RETENTION = {30: logs.RetentionDays.ONE_MONTH, 365: logs.RetentionDays.ONE_YEAR}


class Service(Construct):
    """One Fargate task, never two: a deployment ends the old one first, and a lock guards the folder."""

    def __init__(
        self,
        scope: Construct,
        profile: Profile,
        network: Network,
        access_logs: s3.Bucket,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, "Service")
        self._network, self._profile = network, profile
        self.key = key(self, "Key", "the log of payments", ["logs.amazonaws.com"])
        self.tokens = secrets.Secret(
            self,
            "TokenSecret",
            description="Ringfence: signs the tokens of callers",
            encryption_key=self.key,
            generate_secret_string=secrets.SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
        )
        acknowledge(
            self.tokens, "AwsSolutions-SMG4", "Tokens in use end with it: the runbook says when to rotate."
        )
        self.guard = ec2.SecurityGroup(self, "Guard", vpc=network.vpc, description="The deciding task")
        self.balancer = self._balancer(access_logs)
        self.cluster = ecs.Cluster(
            self, "Cluster", vpc=network.vpc, container_insights_v2=ecs.ContainerInsights.ENABLED
        )
        self.task = self._task(dict(environment or {}))
        self.tokens.grant_read(self.task.task_role)
        self.service = self._service()
        self._listen()

    def _balancer(self, access_logs: s3.Bucket) -> elb.ApplicationLoadBalancer:
        self._front = ec2.SecurityGroup(
            self, "Front", vpc=self._network.vpc, description="Callers", allow_all_outbound=False
        )
        self._front.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "TLS from anywhere")
        acknowledge(
            self._front, "AwsSolutions-EC23", "The balancer is the one public door; it speaks TLS alone."
        )
        balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=self._network.vpc,
            internet_facing=True,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="public"),
            security_group=self._front,
            deletion_protection=True,
            drop_invalid_header_fields=True,
            idle_timeout=Duration.seconds(60),
        )
        # `log_access_logs` has to know the region when the template is made; attributes do not.
        balancer.set_attribute("access_logs.s3.enabled", "true")
        balancer.set_attribute("access_logs.s3.bucket", access_logs.bucket_name)
        balancer.set_attribute("access_logs.s3.prefix", "balancer")
        access_logs.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["s3:PutObject"],
                principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
                resources=[access_logs.arn_for_objects("balancer/AWSLogs/*")],
            )
        )
        acknowledge(
            balancer, "AwsSolutions-ELB2", "Access logs are on, by attributes: see the bucket's policy."
        )
        return balancer

    def _task(self, environment: dict[str, str]) -> ecs.FargateTaskDefinition:
        image = CfnParameter(
            self,
            "Image",
            description="Image of Ringfence in a registry that the task can reach",
            allowed_pattern=IMAGE,
            constraint_description="an image with its tag or digest",
        )
        image.override_logical_id("Image")
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=self._profile.cpu,
            memory_limit_mib=self._profile.memory_mib,
            ephemeral_storage_gib=self._disk(),
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        container = task.add_container(
            "ringfence",
            image=ecs.ContainerImage.from_registry(image.value_as_string),
            environment={
                "RINGFENCE_DATA_DIR": "/data",
                "RINGFENCE_SERVE_HOST": "0.0.0.0",  # noqa: S104 (within the task's own network)
                "RINGFENCE_SERVE_TRUSTED_PROXIES": '["10.20.0.0/16"]',
                "RINGFENCE_SERVE_REQUIRE_KEYS": "true",
                "RINGFENCE_SERVE_EMF": "true",
                "XDG_CACHE_HOME": "/data/cache",
                # Names of secrets and no secrets: the task looks them up, again when they were exchanged.
                "RINGFENCE_SERVE_TOKEN_SECRET": f"secret://aws/{self.tokens.secret_arn}",
                **environment,
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix="ringfence", log_group=self._logs()),
            user=_UID,
            readonly_root_filesystem=True,
            stop_timeout=Duration.seconds(60),
            port_mappings=[ecs.PortMapping(container_port=_PORT)],
            health_check=ecs.HealthCheck(
                command=[
                    "CMD",
                    "python",
                    "-c",
                    "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)",
                ],
                interval=Duration.seconds(15),
                timeout=Duration.seconds(5),
                start_period=Duration.seconds(300),
                retries=4,
            ),
        )
        self._volume(task, container)
        pull_images(task.obtain_execution_role(), "Repository")
        acknowledge(task, "AwsSolutions-ECS2", "The variables are names and numbers; of secrets, too.")
        return task

    def _disk(self) -> float:
        size = CfnParameter(
            self,
            "TaskGib",
            type="Number",
            min_value=21,
            max_value=200,
            default=self._profile.task_gib,
            description="GiB of the task's disk: a backup's copy waits there",
        )
        size.override_logical_id("TaskGib")
        return size.value_as_number

    def _logs(self) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            "Logs",
            retention=_RETENTION[self._profile.log_days],
            encryption_key=self.key,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _volume(self, task: ecs.FargateTaskDefinition, container: ecs.ContainerDefinition) -> None:
        files = efs.FileSystem(
            self,
            "Data",
            vpc=self._network.vpc,
            vpc_subnets=self._network.service_subnets,
            encrypted=True,
            kms_key=self.key,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            enable_automatic_backups=True,
            allow_anonymous_access=False,
            removal_policy=RemovalPolicy.RETAIN,
        )
        files.connections.allow_default_port_from(self.guard, "The task's volume")
        point = files.add_access_point(
            "Point",
            path="/ringfence",
            create_acl=efs.Acl(owner_uid=_UID, owner_gid=_UID, permissions="700"),
            posix_user=efs.PosixUser(uid=_UID, gid=_UID),
        )
        task.add_volume(
            name="data",
            efs_volume_configuration=ecs.EfsVolumeConfiguration(
                file_system_id=files.file_system_id,
                transit_encryption="ENABLED",
                authorization_config=ecs.AuthorizationConfig(
                    access_point_id=point.access_point_id, iam="ENABLED"
                ),
            ),
        )
        task.add_volume(name="tmp")
        container.add_mount_points(
            ecs.MountPoint(source_volume="data", container_path="/data", read_only=False),
            ecs.MountPoint(source_volume="tmp", container_path="/tmp", read_only=False),  # noqa: S108 (its own)
        )
        files.grant_read_write(task.task_role)
        self.files = files

    def _service(self) -> ecs.FargateService:
        return ecs.FargateService(
            self,
            "Writer",
            cluster=self.cluster,
            task_definition=self.task,
            desired_count=1,
            min_healthy_percent=0,  # one process writes at a time: the old one ends before the new one begins
            max_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            assign_public_ip=not self._profile.private,
            vpc_subnets=self._network.service_subnets,
            security_groups=[self.guard],
            health_check_grace_period=Duration.minutes(5),
            enable_execute_command=False,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )

    def _listen(self) -> None:
        certificate = CfnParameter(
            self,
            "Certificate",
            description="ARN of the certificate in AWS Certificate Manager, in this region",
            allowed_pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]+$",
            constraint_description="the ARN of a certificate",
        )
        certificate.override_logical_id("Certificate")
        listener = self.balancer.add_listener(
            "Tls",
            port=443,
            open=False,
            ssl_policy=elb.SslPolicy.TLS13_RES,
            certificates=[acm.Certificate.from_certificate_arn(self, "Tls", certificate.value_as_string)],
        )
        self.target = listener.add_targets(
            "Task",
            port=_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            targets=[self.service],
            deregistration_delay=Duration.seconds(20),
            health_check=elb.HealthCheck(
                path="/readyz",
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
            ),
        )
        CfnOutput(
            self, "Address", value=self.balancer.load_balancer_dns_name, description="Point your name here"
        )
