"""A stream of Kinesis within the machine, with what AWS documents and emulators leave out.

A closed shard keeps its records and gives no iterator behind its last; iterators end; shards are trimmed; any
call can be made to fail next. boto3 speaks to it over HTTP, as to AWS.
"""

import base64
import json
import struct
import threading
import time
import zlib
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

REGION = "eu-central-1"
MADE_S = 1_700_000_000
ALL = 2**128  # hash keys
CONSUMER = "ringfence"
FIRST = 49 * 10**54  # a sequence number has 56 digits, as those of AWS


class Kinesis:
    """The streams of an account; `failures` are codes that the next calls of an action answer with."""

    def __init__(self):
        self.streams = {}
        self.failures = {}
        self.refused = []
        self.late = False  # a closed shard's end is told one answer later
        self.ends = []  # exceptions with which the next subscriptions end
        self.is_held = False  # a subscription goes on, with empty events
        self.asked = []
        self.now_ms = MADE_S * 1000
        self._numbers = count(1)
        self._iterators = {}

    def make(self, stream, shards=1, hours=24):
        self.streams[stream] = {
            "made": next(self._numbers) + MADE_S,
            "hours": hours,
            "shards": {
                f"shardId-{n:012}": _shard(keys=(ALL * n // shards, ALL * (n + 1) // shards - 1))
                for n in range(shards)
            },
        }

    def put(self, stream, shard, *values, key="k"):
        """Values, in order, into the shard of this number."""
        for value in values:
            number = str(
                49_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000
                + next(self._numbers)
            )
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self._shard(stream, shard)["records"].append((number, self.now_ms, key, data))

    def split(self, stream, shard):
        """Close a shard; two children take over."""
        return self._reshard(stream, [shard], 2)

    def merge(self, stream, one, two):
        """Close two shards; one child takes over."""
        return self._reshard(stream, [one, two], 1)

    def trim(self, stream, shard):
        """A shard whose retention is over."""
        del self.streams[stream]["shards"][f"shardId-{shard:012}"]

    def forget(self, stream, shard):
        """What a shard held: retention took it, and what comes next is kept."""
        self._shard(stream, shard)["records"].clear()

    def expire(self):
        """All iterators that were given."""
        self._iterators.clear()

    def _reshard(self, stream, parents, children):
        shards = self.streams[stream]["shards"]
        for parent in parents:
            self._shard(stream, parent)["closed"] = True
        first = len(shards)
        names = [f"shardId-{parent:012}" for parent in parents]
        low = min(shards[name]["keys"][0] for name in names)
        high = max(shards[name]["keys"][1] for name in names)
        for n in range(children):
            keys = low + (high - low + 1) * n // children, low + (high - low + 1) * (n + 1) // children - 1
            shards[f"shardId-{first + n:012}"] = _shard(*names, keys=keys)
        return list(range(first, first + children))

    def _shard(self, stream, number):
        return self.streams[stream]["shards"][f"shardId-{number:012}"]

    def answer(self, action, asked):
        """Status and body of an answer."""
        self.asked.append((action, asked))
        if self.failures.get(action):
            return 400, {"__type": self.failures[action].pop(0), "message": "as the test wants it"}
        name = asked.get("StreamName")
        if name is not None and name not in self.streams:
            return 400, {"__type": "ResourceNotFoundException", "message": f"Stream {name} not found"}
        return ANSWERS[action](self, asked)

    def _describe(self, asked):
        stream = self.streams[asked["StreamName"]]
        told = {
            "StreamName": asked["StreamName"],
            "StreamARN": f"arn:aws:kinesis:{REGION}:1:stream/{asked['StreamName']}",
            "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": stream["hours"],
            "StreamCreationTimestamp": stream["made"],
            "EnhancedMonitoring": [],
            "OpenShardCount": sum(not shard["closed"] for shard in stream["shards"].values()),
        }
        return 200, {"StreamDescriptionSummary": told}

    def _list(self, asked):
        """Two at a time, so that pages are asked for."""
        name, begin = asked["NextToken"].split() if "NextToken" in asked else (asked["StreamName"], "0")
        shards = sorted(self.streams[name]["shards"].items())
        page = shards[int(begin) : int(begin) + 2]
        more = {"NextToken": f"{name} {int(begin) + 2}"} if len(shards) > int(begin) + 2 else {}
        return 200, {"Shards": [_listed(*one) for one in page]} | more

    def _begin(self, asked):
        records = self.streams[asked["StreamName"]]["shards"][asked["ShardId"]]["records"]
        kind, number = asked["ShardIteratorType"], asked.get("StartingSequenceNumber")
        if asked.get("Timestamp", 0) * 1000 > self.now_ms:
            said = "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis"
            return 400, {"__type": "InvalidArgumentException", "message": said}
        at = {
            "TRIM_HORIZON": lambda: 0,
            "AT_TIMESTAMP": lambda: sum(one[1] < asked["Timestamp"] * 1000 for one in records),
            "AT_SEQUENCE_NUMBER": lambda: sum(int(one[0]) < int(number) for one in records),
            "AFTER_SEQUENCE_NUMBER": lambda: sum(int(one[0]) <= int(number) for one in records),
        }[kind]()
        return 200, {"ShardIterator": self._iterator(asked["StreamName"], asked["ShardId"], at)}

    def _read(self, asked):
        if asked["ShardIterator"] not in self._iterators:
            return 400, {"__type": "ExpiredIteratorException", "message": "Iterator expired"}
        stream, name, at = self._iterators.pop(asked["ShardIterator"])
        shard = self.streams[stream]["shards"][name]
        records = shard["records"][at : at + asked["Limit"]]
        end = at + len(records)
        left = shard["records"][end:]
        answer = {
            "Records": [
                {"SequenceNumber": n, "ApproximateArrivalTimestamp": ms / 1000, "PartitionKey": key}
                | {"Data": base64.b64encode(data).decode()}
                for n, ms, key, data in records
            ],
            "MillisBehindLatest": max(self.now_ms - left[0][1], 1) if left else 0,
        }
        if left or not shard["closed"] or (self.late and records):
            answer["NextShardIterator"] = self._iterator(stream, name, end)
        return 200, answer

    def _consumer(self, asked):
        """The one consumer that every stream has."""
        if asked["ConsumerName"] != CONSUMER:
            return 400, {"__type": "ResourceNotFoundException", "message": "Consumer not found"}
        told = {"ConsumerName": CONSUMER, "ConsumerARN": f"{asked['StreamARN']}/consumer/{CONSUMER}:1"}
        about = {"ConsumerStatus": "ACTIVE", "ConsumerCreationTimestamp": MADE_S}
        return 200, {"ConsumerDescription": told | about}

    def _subscribe(self, asked):
        """A subscription that ends after some events, as one does after five minutes."""
        stream = asked["ConsumerARN"].split("/")[1]
        start = asked["StartingPosition"]
        begin = {"StreamName": stream, "ShardId": asked["ShardId"], "ShardIteratorType": start["Type"]}
        begin["StartingSequenceNumber"] = start.get("SequenceNumber")
        token = self._begin(begin)[1]["ShardIterator"]
        after, events = start.get("SequenceNumber", "0"), [_framed("initial-response", {})]
        for _ in range(2):
            answer = self._read({"ShardIterator": token, "Limit": 3})[1]
            token = answer.pop("NextShardIterator", None)
            after = answer["Records"][-1]["SequenceNumber"] if answer["Records"] else after
            more = {"ContinuationSequenceNumber": after} if token else {"ChildShards": []}
            events.append(_framed("SubscribeToShardEvent", answer | more))
            if token is None:
                break
        if self.ends:
            events.append(_framed(self.ends.pop(0), {"message": "as the test wants it"}, "exception"))
        return 200, b"".join(events)

    def _put(self, asked):
        """Records whose turn it is in `refused` are not taken; the others are."""
        results = []
        for entry in asked["Records"]:
            if self.refused and self.refused.pop(0):
                code = "ProvisionedThroughputExceededException"
                results.append({"ErrorCode": code, "ErrorMessage": "Rate exceeded"})
                continue
            self.put(asked["StreamName"], 0, base64.b64decode(entry["Data"]), key=entry["PartitionKey"])
            results.append({"SequenceNumber": str(next(self._numbers)), "ShardId": "shardId-000000000000"})
        failed = sum("ErrorCode" in result for result in results)
        return 200, {"FailedRecordCount": failed, "Records": results}

    def _iterator(self, *place):
        token = f"iterator-{next(self._numbers)}"
        self._iterators[token] = place
        return token


ANSWERS = {
    "DescribeStreamSummary": Kinesis._describe,
    "ListShards": Kinesis._list,
    "GetShardIterator": Kinesis._begin,
    "GetRecords": Kinesis._read,
    "PutRecords": Kinesis._put,
    "DescribeStreamConsumer": Kinesis._consumer,
    "SubscribeToShard": Kinesis._subscribe,
}


def _framed(kind, payload, message="event"):
    """An event or exception as AWS frames it: lengths and checksums around headers and payload."""
    told = {f":{message}-type": kind, ":content-type": "application/json", ":message-type": message}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in told.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    framed = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return framed + struct.pack("!I", zlib.crc32(framed))


def _shard(*parents, keys):
    return {"records": [], "closed": False, "parents": parents, "keys": keys}


def _listed(name, shard):
    span = {"StartingSequenceNumber": "1"} | ({"EndingSequenceNumber": "2"} if shard["closed"] else {})
    parents = dict(zip(("ParentShardId", "AdjacentParentShardId"), shard["parents"], strict=False))
    keys = dict(zip(("StartingHashKey", "EndingHashKey"), map(str, shard["keys"]), strict=True))
    return {"ShardId": name, "HashKeyRange": keys, "SequenceNumberRange": span} | parents


@contextmanager
def running():
    """An account, and where it answers."""
    kinesis, turn = Kinesis(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # each answer is two writes: the second would wait 40 ms for an ACK

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with turn:
                status, body = kinesis.answer(self.headers["X-Amz-Target"].rpartition(".")[2], asked)
            is_pushed = isinstance(body, bytes)
            said = body if is_pushed else json.dumps(body).encode()
            kind = "vnd.amazon.eventstream" if is_pushed else "x-amz-json-1.1"
            self.send_response(status)
            self.send_header("Content-Type", f"application/{kind}")
            if is_pushed and kinesis.is_held:
                self._hold(said)
                return
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def _hold(self, said):
            """Push for as long as the client listens."""
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            idle = {"Records": [], "MillisBehindLatest": 0, "ContinuationSequenceNumber": str(FIRST)}
            with suppress(OSError):
                while True:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(said), said))
                    said = _framed("SubscribeToShardEvent", idle)
                    time.sleep(0.02)

        def date_time_string(self, timestamp=None):  # noqa: ARG002 (the clock of AWS)
            return super().date_time_string(kinesis.now_ms / 1000)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield kinesis, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
