"""Backups and their copies in a second region: what is replicated, by whom, and who hears when it is not."""

import json


def as_list(value):
    return value if isinstance(value, list) else [value]


def of_statement(statements, action):
    """The one statement that allows an action."""
    (found,) = [one for one in statements if action in as_list(one["Action"])]
    return found


def test_a_backup_is_replicated_to_another_region_with_the_keys_of_both(stacks):
    """What is deleted here, by mistake or malice, stays there; what comes late or not at all is told."""
    resources = stacks["RingfenceBackups"]["Resources"]
    (bucket,) = [
        one["Properties"]
        for one in resources.values()
        if "ReplicationConfiguration" in one.get("Properties", {})
    ]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}  # without it S3 does not replicate
    (rule,) = bucket["ReplicationConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["Filter"] == {"Prefix": ""}
    assert rule["DeleteMarkerReplication"] == {"Status": "Disabled"}
    assert rule["SourceSelectionCriteria"] == {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
    told = rule["Destination"]
    assert {"Ref": "StandbyBucket"} in told["Bucket"]["Fn::Join"][1]
    key = told["EncryptionConfiguration"]["ReplicaKmsKeyID"]["Fn::Join"][1]
    assert {"Ref": "StandbyRegion"} in key
    assert {"Ref": "StandbyKey"} in key
    assert told["ReplicationTime"] == {"Status": "Enabled", "Time": {"Minutes": 15}}
    (rule,) = stacks["RingfenceBackups"]["Rules"]["AnotherRegion"]["Assertions"]
    other = {"Fn::Equals": [{"Ref": "StandbyRegion"}, {"Ref": "AWS::Region"}]}
    assert rule["Assert"] == {"Fn::Not": [other]}
    alarms = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert {one["MetricName"] for one in alarms} == {"OperationsFailedReplication", "ReplicationLatency"}
    assert all(one["AlarmActions"] == [{"Ref": "Operations"}] for one in alarms)


def test_who_copies_backups_may_read_here_and_write_there_and_nothing_else(stacks):
    """Each key is open to it for objects of its own bucket alone."""
    resources = stacks["RingfenceBackups"]["Resources"]
    (policy,) = [one for one in resources.values() if "Copier" in str(one.get("Properties", {}).get("Roles"))]
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    assert {action for one in statements for action in as_list(one["Action"])} == {
        *("s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionAcl"),
        *("s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"),
        *("s3:ReplicateObject", "s3:ReplicateTags"),  # and no s3:ReplicateDelete
        *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"),
    }
    for action, name, region in (
        ("kms:Decrypt", "Backups", "AWS::Region"),
        ("kms:Encrypt", "StandbyBucket", "StandbyRegion"),
    ):
        asked = of_statement(statements, action)["Condition"]
        whole, objects = asked["StringLike"]["kms:EncryptionContext:aws:s3:arn"]
        assert name in str(whole)
        assert (name in str(objects), str(objects).count("/*")) == (True, 1)  # put without the bucket's key
        assert {"Ref": region} in asked["StringEquals"]["kms:ViaService"]["Fn::Join"][1]
    (role,) = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::IAM::Role"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "s3.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_both_stacks_of_backups_need_nothing_but_cloudformation(texts):
    for name in ("RingfenceBackups", "RingfenceStandby"):
        assert len(texts[name]) < 51_200
        assert "BootstrapVersion" not in texts[name]
        assert "BackupBucket" in json.loads(texts[name])["Outputs"]
