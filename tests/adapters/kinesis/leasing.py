"""What tests of leases work with."""


def make_table(client, name):
    keys = {"stream": "HASH", "shard": "RANGE"}
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": one, "KeyType": kind} for one, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in keys],
        BillingMode="PAY_PER_REQUEST",
    )


class Clock:
    """Seconds that pass as a test has them pass."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds
