"""The model as a SageMaker endpoint: the container of `ringfence model serve`, without the internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, CfnParameter
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.common import acknowledge, key, use_bucket, use_key

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3

    from stacks.network import Network
    from stacks.profile import Profile


_MODELS = "RingfenceStore:ExportsOutputFnGetAttStoreModels7414EF8FArn0A92314F"


class Model(Construct):
    """An endpoint with one variant; a second variant is a second model with its own weight."""

    def __init__(self, scope: Construct, profile: Profile, network: Network, models: s3.Bucket) -> None:
        super().__init__(scope, "Model")
        image = CfnParameter(self, "ModelImage", description="Image of the model service, in Amazon ECR")
        data = CfnParameter(
            self,
            "ModelData",
            description="Key of the model.tar.gz in the bucket of models",
            default="models/model.tar.gz",
            allowed_pattern=r"^[\w./-]+\.tar\.gz$",
        )
        image.override_logical_id("ModelImage")
        data.override_logical_id("ModelData")
        guard = ec2.SecurityGroup(
            self, "Guard", vpc=network.vpc, description="The model service", allow_all_outbound=False
        )
        guard.add_egress_rule(ec2.Peer.ipv4("10.20.0.0/16"), ec2.Port.tcp(443), "AWS, within the VPC")
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        use_bucket(role, models, "models/")
        use_key(role, models.encryption_key)
        acknowledge(
            role,
            f"AwsSolutions-IAM5[Resource::{_MODELS}/models/*]",
            "The objects of one prefix of one bucket: their names are those of versions.",
        )
        subnets = network.vpc.select_subnets(subnet_group_name="service").subnet_ids
        made = sagemaker.CfnModel(
            self,
            "Served",
            execution_role_arn=role.role_arn,
            enable_network_isolation=True,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image.value_as_string,
                model_data_url=models.s3_url_for_object(data.value_as_string),
                environment={"THRESHOLD": "0.5"},
            ),
            vpc_config=sagemaker.CfnModel.VpcConfigProperty(
                security_group_ids=[guard.security_group_id], subnets=subnets
            ),
        )
        made.node.add_dependency(role)
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            kms_key_id=key(self, "Key", "disks of the model service").key_arn,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name="champion",
                    model_name=made.attr_model_name,
                    initial_instance_count=profile.model_instances,
                    instance_type=profile.model_instance,
                    initial_variant_weight=1,
                )
            ],
        )
        self.endpoint = sagemaker.CfnEndpoint(
            self, "Endpoint", endpoint_config_name=config.attr_endpoint_config_name
        )
        self.role = role
        CfnOutput(self, "EndpointName", value=self.endpoint.attr_endpoint_name)

    @property
    def arn(self) -> str:
        """What a caller needs `sagemaker:InvokeEndpoint` on."""
        return self.endpoint.ref
