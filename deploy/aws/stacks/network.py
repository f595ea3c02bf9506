"""Where it runs: subnets, endpoints, flow logs. Only the balancer takes calls from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.common import key

if TYPE_CHECKING:
    from stacks.profile import Profile

_RETENTION = {30: logs.RetentionDays.ONE_MONTH, 365: logs.RetentionDays.ONE_YEAR}
_ENDPOINTS = {
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "Kinesis": ec2.InterfaceVpcEndpointAwsService.KINESIS_STREAMS,
    "Sns": ec2.InterfaceVpcEndpointAwsService.SNS,
    "Sqs": ec2.InterfaceVpcEndpointAwsService.SQS,
    "Events": ec2.InterfaceVpcEndpointAwsService.EVENTBRIDGE,
    "Model": ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_RUNTIME,
    "Kms": ec2.InterfaceVpcEndpointAwsService.KMS,
}


class Network(Construct):
    """A VPC over two zones: public subnets for the balancer and, large, private ones without a way out."""

    def __init__(self, scope: Construct, profile: Profile) -> None:
        super().__init__(scope, "Network")
        subnets = [ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24)]
        if profile.private:
            isolated = ec2.SubnetType.PRIVATE_ISOLATED
            subnets += [
                ec2.SubnetConfiguration(name="service", subnet_type=isolated, cidr_mask=22),
                ec2.SubnetConfiguration(name="data", subnet_type=isolated, cidr_mask=24),
            ]
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.20.0.0/16"),
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=subnets,
            restrict_default_security_group=False,
        )
        self.service_subnets = ec2.SubnetSelection(
            subnet_group_name="service" if profile.private else "public"
        )
        self.data_subnets = ec2.SubnetSelection(subnet_group_name="data" if profile.private else "public")
        self._flow_logs(profile)
        self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        self.vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        if profile.private:
            self._endpoints()

    def _flow_logs(self, profile: Profile) -> None:
        own = key(self, "FlowLogKey", "flow logs", ["logs.amazonaws.com"])
        group = logs.LogGroup(
            self,
            "FlowLogs",
            retention=_RETENTION[profile.log_days],
            encryption_key=own,
            removal_policy=RemovalPolicy.RETAIN,
        )
        role = iam.Role(self, "FlowLogRole", assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"))
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )

    def _endpoints(self) -> None:
        self.endpoints = ec2.SecurityGroup(
            self, "Endpoints", vpc=self.vpc, description="AWS, from within", allow_all_outbound=False
        )
        self.endpoints.add_ingress_rule(ec2.Peer.ipv4("10.20.0.0/16"), ec2.Port.tcp(443), "TLS from the VPC")
        for name, service in _ENDPOINTS.items():
            self.vpc.add_interface_endpoint(
                name,
                service=service,
                subnets=self.service_subnets,
                security_groups=[self.endpoints],
                open=False,
            )
