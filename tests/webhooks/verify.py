"""Registers a webhook, has things happen, and verifies what is posted as a shop's back end would: with the library of Standard Webhooks."""

import json
import queue
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

BASE, BOSS, OWNER, BUYER = sys.argv[1:]
posted = queue.Queue()


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        posted.put((body, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def ask(token, path, body):
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(BASE + "/api/v1" + path, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def is_verified(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


endpoint = HTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=endpoint.serve_forever, daemon=True).start()
ask(BOSS, "/shops", {"shop": "acme", "name": "Acme"})
ask(BOSS, "/shops/acme/agents", {"uid": "owner", "role": "admin"})
url = f"http://127.0.0.1:{endpoint.server_port}/"
webhook = ask(OWNER, "/shops/acme/webhooks", {"url": url, "types": ["message.stored"]})
secrets = [webhook["secret"]]


def says(text):
    ask(BUYER, "/messages", {"id": text, "to": {"shop": "acme"}, "content": {"kind": "text", "text": text}})
    body, headers = posted.get(timeout=10)
    event = json.loads(body)
    assert event["type"] == "message.stored" and text in body.decode(), body
    return body, headers


body, headers = says("first")
assert is_verified(secrets[0], body, headers), headers
assert not is_verified(secrets[0], body.replace(b"first", b"worst"), headers), "a changed body"
assert not is_verified(secrets[0], body, headers | {"webhook-id": "evt_other"}), "another id"
assert not is_verified(secrets[0], body, headers | {"webhook-timestamp": "1700000000"}), "an old one"

secrets.append(ask(OWNER, f"/shops/acme/webhooks/{webhook['id']}/secret", {})["secret"])
body, headers = says("second")
assert all(is_verified(secret, body, headers) for secret in secrets), "both are valid"

secrets.append(ask(OWNER, f"/shops/acme/webhooks/{webhook['id']}/secret", {"overlap_s": 0})["secret"])
body, headers = says("third")
assert [is_verified(secret, body, headers) for secret in secrets] == [False, False, True], "the new one alone"
print("standardwebhooks verified 3 posts, with 1, 2 and 1 valid secrets, and refused what was changed")
