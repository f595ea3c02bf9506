"""What an auditor asks of the stacks, asked of every resource of every template."""

import json
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1]
BIN = Path(sys.prefix) / "bin"


def of(resources, kind):
    found = [
        (f"{stack}.{name}", properties, whole)
        for stack, name, is_a, properties, whole in resources
        if is_a == kind
    ]
    assert found, f"no {kind} at all"
    return found


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_the_snapshots_are_what_is_synthesised(texts):
    """Otherwise: make aws, and look at the difference."""
    kept = {path.stem: path.read_text() for path in (FOLDER / "snapshots").glob("*.json")}
    assert sorted(kept) == sorted(texts)
    for name, text in texts.items():
        assert kept[name] == text, name


def test_the_small_template_is_the_small_stack_and_needs_nothing_but_cloudformation(texts):
    from templates import compact

    text = (FOLDER / "small.template.json").read_text()
    assert text == compact(texts["RingfenceSmall"])
    assert len(text) < 51_200  # what CloudFormation takes without a bucket
    template = json.loads(text)
    assert "cdk" not in json.dumps(template["Parameters"]).lower()
    assert all("AllowedPattern" in one or "MinValue" in one for one in template["Parameters"].values())


def test_everything_that_is_kept_is_encrypted_with_a_key_of_ones_own(resources):
    for name, properties, _ in of(resources, "AWS::S3::Bucket"):
        (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        algorithm = rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        assert algorithm == ("AES256" if "AccessLogs" in name else "aws:kms"), name
    for kind, key in {
        "AWS::SQS::Queue": "KmsMasterKeyId",
        "AWS::SNS::Topic": "KmsMasterKeyId",
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::SecretsManager::Secret": "KmsKeyId",
        "AWS::EFS::FileSystem": "KmsKeyId",
        "AWS::RDS::DBInstance": "KmsKeyId",
        "AWS::SageMaker::EndpointConfig": "KmsKeyId",
    }.items():
        for name, properties, _ in of(resources, kind):
            assert key in properties, name
    for name, properties, _ in of(resources, "AWS::Kinesis::Stream"):
        assert properties["StreamEncryption"]["EncryptionType"] == "KMS", name
    for name, properties, _ in of(resources, "AWS::DynamoDB::Table"):
        assert properties["SSESpecification"]["SSEType"] == "KMS", name
    for name, properties, _ in of(resources, "AWS::KMS::Key"):
        assert properties["EnableKeyRotation"] is True, name


def test_no_statement_allows_every_action_and_wildcards_stay_below_a_named_resource(resources):
    for stack, name, kind, properties, _ in resources:
        if kind not in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"):
            continue
        documents = [
            properties.get("PolicyDocument"),
            *(one["PolicyDocument"] for one in properties.get("Policies", [])),
        ]
        for document in filter(None, documents):
            for statement in document["Statement"]:
                actions = as_list(statement["Action"])
                assert not any("*" in action for action in actions), (stack, name, actions)
                if actions not in (
                    ["ecr:GetAuthorizationToken"],
                    ["dynamodb:ListStreams"],
                ):  # no resource is known
                    assert "*" not in as_list(statement.get("Resource", [])), (stack, name, actions)


def allowed(resources, stack, part=""):
    """Actions that the roles of a stack may take, of policies whose logical id has `part` in it."""
    return {
        action
        for found, name, kind, properties, _ in resources
        if found == stack and kind == "AWS::IAM::Policy" and part in name
        for statement in properties["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }


def test_whoever_runs_an_image_may_pull_it_and_nothing_but_its_repository(resources):
    pulling = {"ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
    assert pulling <= allowed(resources, "RingfenceSmall", "ExecutionRole")
    assert pulling <= allowed(resources, "RingfenceService", "ExecutionRole")
    assert pulling <= allowed(resources, "RingfenceModel")


NAMED = {
    "SendTo": {"events:PutEvents", "sns:Publish", "sqs:SendMessage"},
    "MailIdentity": {"ses:SendEmail", "ses:SendRawEmail"},
    "SmsOrigin": {"sms-voice:SendTextMessage"},
    "ReadTable": {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"},
    "ReadBucket": {"s3:GetObject", "s3:ListBucket"},
    "ReadStream": {
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
    },
    "ReadConsumer": {"kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"},
}
SHARED = {
    "LeaseTable": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
    "PaymentsConsumer": NAMED["ReadConsumer"],
}


def test_the_task_may_send_to_and_read_what_the_user_names_and_nothing_else(stacks):
    """Each right has a condition: without its parameter there is none."""
    for name in ("RingfenceSmall", "RingfenceService"):
        template = stacks[name]
        of_several = SHARED if name == "RingfenceService" else {}
        for parameter, actions in (NAMED | of_several).items():
            policy = template["Resources"][f"May{parameter}"]
            statement, *others = policy["Properties"]["PolicyDocument"]["Statement"]
            assert set(statement["Action"]) == actions
            assert [one["Action"] for one in others] == ["dynamodb:ListStreams"] * (parameter == "ReadTable")
            assert parameter in json.dumps(statement["Resource"])
            condition = template["Conditions"][policy["Condition"]]
            assert condition == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}
            (role,) = policy["Properties"]["Roles"]
            assert "TaskRole" in role["Ref"]


def test_a_consumer_is_registered_with_its_stream_and_its_rights_are_those_of_both(stacks):
    """AWS asks for the stream and for the consumer, whose ARN ends with when it was registered."""
    of_streams = {
        "ReadConsumer": ["RingfenceSmall", "RingfenceService"],
        "PaymentsConsumer": ["RingfenceService"],
    }
    for parameter, names in of_streams.items():
        for name in names:
            resources = stacks[name]["Resources"]
            made = resources[f"{parameter}Made"]
            assert made["Type"] == "AWS::Kinesis::StreamConsumer"
            assert made["Condition"] == resources[f"May{parameter}"]["Condition"] == f"HasMay{parameter}"
            assert made["Properties"]["ConsumerName"] == {"Ref": parameter}
            (statement,) = resources[f"May{parameter}"]["Properties"]["PolicyDocument"]["Statement"]
            consumer = {"Fn::GetAtt": [f"{parameter}Made", "ConsumerARN"]}
            assert statement["Resource"] == [made["Properties"]["StreamARN"], consumer]
    for name in of_streams["ReadConsumer"]:  # without its stream there is nothing to register it with
        rule = stacks[name]["Rules"]["ConsumerHasStream"]
        assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReadConsumer"}, ""]}]}
        ((assertion,),) = [rule["Assertions"]]
        assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReadStream"}, ""]}]}


def test_private_subnets_lead_to_what_the_user_names_and_public_ones_need_no_endpoint(stacks):
    """The gateway of DynamoDB does not lead to its streams, whose endpoint has no private name."""
    ways = {"MailIdentity": ".email", "SmsOrigin": ".sms-voice", "ReadTable": ".dynamodb-streams"}
    template = stacks["RingfenceService"]
    found = [one for one in template["Resources"].values() if one["Type"] == "AWS::EC2::VPCEndpoint"]
    told = {
        one["Condition"].removeprefix("HasMay"): (
            json.dumps(one["Properties"]["ServiceName"]).rstrip('"]} '),
            one["Properties"]["PrivateDnsEnabled"],
        )
        for one in found
    }
    assert told.keys() == ways.keys()
    for parameter, ends in ways.items():
        service, private_name = told[parameter]
        assert service.endswith(ends), service
        assert private_name is (parameter != "ReadTable")
    (task,) = [one for one in template["Resources"].values() if one["Type"] == "AWS::ECS::TaskDefinition"]
    (container,) = task["Properties"]["ContainerDefinitions"]
    environment = {one["Name"]: one["Value"] for one in container["Environment"]}
    condition, url, without = environment["AWS_ENDPOINT_URL_DYNAMODB_STREAMS"]["Fn::If"]
    assert (condition, without) == ("HasMayReadTable", "")
    assert "https://" in json.dumps(url)
    assert "DnsEntries" in json.dumps(url)
    assert not any(
        one["Type"] == "AWS::EC2::VPCEndpoint" and "Condition" in one
        for one in stacks["RingfenceSmall"]["Resources"].values()
    )


ARN = "arn:aws:{}:eu-central-1:123456789012:{}"
IMAGES = (
    ["123456789012.dkr.ecr.eu-central-1.amazonaws.com/ringfence:0.1.0"],
    ["ringfence", "http://x:1", ""],
)
REPOSITORIES = (["ringfence", "team/ringfence"], ["", "Ringfence", "ringfence:0.1.0", "*", "a/"])
CONSUMERS = (["", "ringfence"], ["*", "a:1", "a/b", "x" * 129])
VALUES = {
    "Image": IMAGES,
    "ModelImage": IMAGES,
    "Repository": REPOSITORIES,
    "ModelRepository": REPOSITORIES,
    "Certificate": ([ARN.format("acm", "certificate/0f-1")], ["", "certificate/0f-1", ARN.format("iam", "x")]),
    "SendTo": (
        ["", ARN.format("sns", "fraud"), ARN.format("sqs", "q.fifo"), ARN.format("events", "event-bus/b")],
        ["*", "fraud", ARN.format("lambda", "f"), ARN.format("sns", "*"), "arn:aws:sns:eu-central-1:1:x"],
    ),
    "MailIdentity": (["", "bank.example", "alerts@bank.example"], ["*", "a b", "a@b@c"]),
    "SmsOrigin": (["", ARN.format("sms-voice", "pool/pool-1")], ["*", "+491701234567", ARN.format("sns", "x")]),
    "ReadTable": (["", "user_demographic"], ["*", "a", "table/x", "users/stream/*"]),
    "ReadBucket": (["", "lake", "bank.lake-1"], ["*", "a", "Lake", "lake/people", "s3://lake", "lake-"]),
    "ReadStream": (["", "payments"], ["*", "stream/payments", "a b", "x" * 129]),
    "ReadConsumer": CONSUMERS,
    "PaymentsConsumer": CONSUMERS,
    "LeaseTable": (["", "leases"], ["*", "a", "table/leases"]),
    "BackupBucket": (["", "ringfence-backups-1"], ["*", "s3://lake", "lake/people", "Lake"]),
    "BackupKey": (["", "1234abcd-12ab-34cd-56ef-1234567890ab"], ["*", ARN.format("kms", "key/1"), "alias/x"]),
    "StandbyRegion": (["eu-west-1", "us-gov-east-1"], ["", "eu-west", "Ireland", "*"]),
    "StandbyBucket": (["ringfence-standby-1"], ["", "*", "s3://lake", "lake/people"]),
    "StandbyKey": (["1234abcd-12ab-34cd-56ef-1234567890ab"], ["", "*", ARN.format("kms", "key/1"), "alias/x"]),
    "Operations": ([ARN.format("sns", "Operations-1")], ["", "*", ARN.format("sqs", "q"), "Operations"]),
    "ModelData": (["models/model.tar.gz"], ["", "model.zip", "a b.tar.gz"]),
}  # fmt: skip


def test_a_parameter_that_is_out_of_range_is_refused_before_anything_is_made(stacks):
    """CloudFormation matches the whole value; a number has a least one."""
    seen = set()
    for stack, template in stacks.items():
        for name, told in template.get("Parameters", {}).items():
            if name == "BootstrapVersion":
                continue
            if told["Type"] == "Number":
                assert 0 < told["MinValue"] <= float(told["Default"]), (stack, name)
                continue
            if name in VALUES and stack != "RingfencePipeline":
                good, bad = VALUES[name]
                assert all(re.fullmatch(told["AllowedPattern"], one) for one in good), (stack, name)
                assert not any(re.fullmatch(told["AllowedPattern"], one) for one in bad), (stack, name)
                seen.add(name)
            assert "AllowedPattern" in told, (stack, name)
    assert seen == set(VALUES)


def test_the_balancer_is_the_only_door_that_is_open_to_all(resources):
    open_doors = []
    for stack, _, kind, properties, _ in resources:
        rules = properties.get("SecurityGroupIngress", []) if kind == "AWS::EC2::SecurityGroup" else []
        rules = [*rules, properties] if kind == "AWS::EC2::SecurityGroupIngress" else rules
        open_doors += [
            (stack, rule["FromPort"])
            for rule in rules
            if "0.0.0.0/0" in (rule.get("CidrIp"), rule.get("CidrIpv6"))
        ]
    assert open_doors == [("RingfenceService", 443), ("RingfenceSmall", 443)]


def test_the_database_is_private_protected_and_speaks_tls(resources):
    ((_, properties, whole),) = of(resources, "AWS::RDS::DBInstance")
    assert properties["PubliclyAccessible"] is False
    assert properties["DeletionProtection"] is True
    assert properties["MultiAZ"] is True
    assert properties["BackupRetentionPeriod"] >= 7
    assert whole["DeletionPolicy"] == "Retain"
    ((_, parameters, _),) = of(resources, "AWS::RDS::DBParameterGroup")
    assert parameters["Parameters"]["rds.force_ssl"] == "1"
    assert of(resources, "AWS::SecretsManager::RotationSchedule")


def test_what_cannot_be_made_again_survives_its_stack(resources):
    kinds = (
        "AWS::S3::Bucket",
        "AWS::DynamoDB::Table",
        "AWS::EFS::FileSystem",
        "AWS::Kinesis::Stream",
        "AWS::KMS::Key",
    )
    for kind in kinds:
        for name, _, whole in of(resources, kind):
            assert whole["DeletionPolicy"] == "Retain", name


def test_one_task_writes_at_a_time_also_while_a_version_is_exchanged(resources):
    for name, properties, _ in of(resources, "AWS::ECS::Service"):
        deployment = properties["DeploymentConfiguration"]
        assert (
            properties["DesiredCount"],
            deployment["MinimumHealthyPercent"],
            deployment["MaximumPercent"],
        ) == (
            1,
            0,
            100,
        ), name
    for name, properties, _ in of(resources, "AWS::ECS::TaskDefinition"):
        (container,) = properties["ContainerDefinitions"]
        assert container["ReadonlyRootFilesystem"] is True, name
        assert container["User"] == "10001", name
        told = {one["Name"]: json.dumps(one["Value"]) for one in container["Environment"]}
        secret = {key for key in told if any(word in key for word in ("SECRET", "PASSWORD", "TOKEN"))}
        assert "RINGFENCE_SLACK_TOKEN" in secret
        assert all("secret://aws/" in told[key] for key in secret), name


def test_every_alarm_tells_somebody_and_says_what_to_do(resources):
    alarms = of(resources, "AWS::CloudWatch::Alarm")
    for name, properties, _ in alarms:
        assert properties["AlarmActions"], name
        assert properties["OKActions"] == properties["AlarmActions"], name
        assert "docs/operations/aws.md" in properties["AlarmDescription"], name
    described = " ".join(properties["AlarmDescription"] for _, properties, _ in alarms)
    for what in (
        "80 % of its CPU",
        "storage",
        "80 % of the connections",
        "behind",
        "errors",
        "250 ms",
        "dead-letter",
    ):
        assert what in described
    assert len(of(resources, "AWS::Budgets::Budget")) == 2


def test_github_deploys_from_one_environment_of_one_repository_without_a_key(resources):
    roles = [
        properties
        for stack, _, kind, properties, _ in resources
        if (stack, kind) == ("RingfencePipeline", "AWS::IAM::Role")
    ]
    ((statement,),) = [role["AssumeRolePolicyDocument"]["Statement"] for role in roles]
    conditions = statement["Condition"]["StringEquals"]
    assert set(conditions) == {
        "token.actions.githubusercontent.com:aud",
        "token.actions.githubusercontent.com:sub",
    }
    assert not any(kind == "AWS::IAM::AccessKey" for _, _, kind, _, _ in resources)


def test_everything_carries_owner_environment_and_cost(resources):
    for name, properties, _ in [*of(resources, "AWS::ECS::Service"), *of(resources, "AWS::RDS::DBInstance")]:
        tags = {one["Key"] for one in properties["Tags"]}
        assert {"owner", "environment", "cost-center", "application", "profile"} <= tags, name


def test_cfn_lint_finds_nothing():
    files = sorted(map(str, (FOLDER / "snapshots").glob("*.json")))
    ended = subprocess.run(
        [BIN / "cfn-lint", *files], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout


def test_checkov_finds_nothing_but_what_has_a_reason():
    command = [BIN / "checkov", "-d", "snapshots", "--config-file", ".checkov.yaml"]
    ended = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:]
