"""The model as a SageMaker endpoint: the container of `ringfence model serve`, without the internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, CfnOutput, CfnParameter, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.common import IMAGE, acknowledge, allow, key, pull_images, use_bucket, use_key

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3

    from stacks.profile import Profile


_MODELS = "RingfenceStore:ExportsOutputFnGetAttStoreModels7414EF8FArn0A92314F"


class Model(Construct):
    """An endpoint with one variant; a second variant is a second model with its own weight."""

    def __init__(self, scope: Construct, profile: Profile, models: s3.Bucket) -> None:
        super().__init__(scope, "Model")
        image = CfnParameter(
            self,
            "ModelImage",
            description="Image of the model service, in Amazon ECR",
            allowed_pattern=IMAGE,
            constraint_description="an image with its tag or digest",
        )
        data = CfnParameter(
            self,
            "ModelData",
            description="Key of the model.tar.gz in the bucket of models",
            default="models/model.tar.gz",
            allowed_pattern=r"^[\w./-]+\.tar\.gz$",
        )
        image.override_logical_id("ModelImage")
        data.override_logical_id("ModelData")
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        use_bucket(role, models, "models/")
        use_key(role, models.encryption_key)
        acknowledge(
            role,
            f"AwsSolutions-IAM5[Resource::{_MODELS}/models/*]",
            "The objects of one prefix of one bucket: their names are those of versions.",
        )
        pull_images(role, "ModelRepository")
        groups = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name="/aws/sagemaker/Endpoints/*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        allow(role, "logs", ("CreateLogGroup", "CreateLogStream", "PutLogEvents"), groups)
        acknowledge(
            role,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:"
            "/aws/sagemaker/Endpoints/*]",
            "SageMaker names the log group after the endpoint, whose name CloudFormation makes up.",
        )
        made = sagemaker.CfnModel(
            self,
            "Served",
            execution_role_arn=role.role_arn,
            enable_network_isolation=True,  # it answers SageMaker and reaches nobody
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image.value_as_string,
                model_data_url=models.s3_url_for_object(data.value_as_string),
                environment={
                    "THRESHOLD": "0.5",
                    "RINGFENCE_MODEL_HOST": "0.0.0.0",  # noqa: S104 (SageMaker alone reaches it)
                    "RINGFENCE_MODEL_OPEN": "1",  # SageMaker asks who calls
                },
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
