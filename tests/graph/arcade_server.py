"""Neptune's `POST /openCypher` by an engine of its own, in a process of its own: arcade_server.py FOLDER

ArcadeDB (Apache-2.0) shares no code with the embedded graph or with us. The port is printed once it listens.
"""

import http.server
import json
import sys

import arcadedb

WRITES = ("CREATE", "MERGE", "SET ", "DELETE")


class ArcadeEndpoint(http.server.BaseHTTPRequestHandler):
    """One query a request, in a transaction if it writes."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            rows = self.answer(asked["query"], json.loads(asked.get("parameters", "{}")))
            status, body = 200, {"results": rows}
        except arcadedb.ArcadeDBError as error:
            status = 400
            body = {"code": "MalformedQueryException", "detailedMessage": str(error), "requestId": "r"}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def answer(self, query, parameters):
        database = self.server.database
        if not any(word in query for word in WRITES):
            return database.query("opencypher", query, parameters).to_list()
        with database.transaction():
            return database.command("opencypher", query, parameters).to_list()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    with arcadedb.create_database(sys.argv[1]) as opened:
        server = http.server.HTTPServer(("127.0.0.1", 0), ArcadeEndpoint)
        server.database = opened
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
