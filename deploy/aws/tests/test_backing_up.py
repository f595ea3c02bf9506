"""The task backs its volume up to the bucket that the user names: its rights, its settings, who hears of it."""

import json

STACKS = ("RingfenceSmall", "RingfenceService")
CONDITION = {"Fn::Not": [{"Fn::Equals": [{"Ref": "BackupBucket"}, ""]}]}


def of(template, kind):
    (found,) = [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]
    return found


def test_the_task_may_put_backups_there_and_read_them_again_and_neither_delete_nor_look_elsewhere(stacks):
    """All below the stack's name, by the key of that bucket, and only by way of S3."""
    for name in STACKS:
        template = stacks[name]
        policy = template["Resources"]["MayBackupBucket"]
        assert template["Conditions"][policy["Condition"]] == CONDITION
        objects, listing, key = policy["Properties"]["PolicyDocument"]["Statement"]
        assert objects["Action"] == ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        below = [{"Ref": "BackupBucket"}, "/", {"Ref": "AWS::StackName"}, "/*"]
        assert objects["Resource"]["Fn::Join"][1][-4:] == below
        assert listing["Action"] == "s3:ListBucket"
        asked = listing["Condition"]["StringLike"]["s3:prefix"]
        assert asked == {"Fn::Join": ["", [{"Ref": "AWS::StackName"}, "/*"]]}
        assert key["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
        assert key["Resource"]["Fn::Join"][1][-1] == {"Ref": "BackupKey"}
        assert "s3." in json.dumps(key["Condition"]["StringEquals"]["kms:ViaService"])
        whole, objects_of = key["Condition"]["StringLike"]["kms:EncryptionContext:aws:s3:arn"]
        assert whole == listing["Resource"]
        assert objects_of == objects["Resource"]
        (role,) = policy["Properties"]["Roles"]
        task = of(template, "AWS::ECS::TaskDefinition")
        assert task["TaskRoleArn"]["Fn::GetAtt"][0] == role["Ref"]


def test_a_bucket_without_its_key_is_refused_before_anything_is_made(stacks):
    for name in STACKS:
        rule = stacks[name]["Rules"]["BackupHasKey"]
        assert rule["RuleCondition"] == CONDITION
        (assertion,) = rule["Assertions"]
        assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "BackupKey"}, ""]}]}


def test_the_server_is_told_where_to_back_up_and_copies_wait_on_the_disk_of_the_task(stacks):
    """No second task mounts the volume: SQLite lets no other machine read what one of them writes."""
    for name in STACKS:
        task = of(stacks[name], "AWS::ECS::TaskDefinition")
        (container,) = task["ContainerDefinitions"]
        told = {one["Name"]: one["Value"] for one in container["Environment"]}
        condition, to, without = told["RINGFENCE_BACKUP_TO"]["Fn::If"]
        assert (condition, without) == ("HasMayBackupBucket", "")
        assert to == {"Fn::Join": ["", ["s3://", {"Ref": "BackupBucket"}, "/", {"Ref": "AWS::StackName"}]]}
        spool = told["RINGFENCE_BACKUP_SPOOL"]
        (mounted,) = [one for one in container["MountPoints"] if one["ContainerPath"] == spool]
        volumes = {one["Name"]: one for one in task["Volumes"]}
        assert "EFSVolumeConfiguration" not in volumes[mounted["SourceVolume"]]
        kinds = [one["Type"] for one in stacks[name]["Resources"].values()]
        assert kinds.count("AWS::ECS::TaskDefinition") == 1
        assert task["EphemeralStorage"] == {"SizeInGiB": {"Ref": "TaskGib"}}
        size = stacks[name]["Parameters"]["TaskGib"]
        assert (size["MinValue"], size["MaxValue"]) == (21, 200)  # what Fargate gives


def test_a_backup_that_is_hours_late_is_an_alarm(stacks):
    """Of the figure that the server writes; only where there is a bucket at all."""
    for name in STACKS:
        alarm = stacks[name]["Resources"]["BackupOverdue"]
        told = alarm["Properties"]
        assert stacks[name]["Conditions"][alarm["Condition"]] == CONDITION
        assert (told["Namespace"], told["MetricName"]) == ("Ringfence", "backup_overdue_seconds")
        assert (told["Threshold"], told["Statistic"]) == (4 * 3600, "Maximum")
        assert told["AlarmActions"] == told["OKActions"]
        assert "Operations" in json.dumps(told["AlarmActions"])
