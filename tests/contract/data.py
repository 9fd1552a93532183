"""Makes what the examples of the OpenAPI document speak of: the shop acme, its agents alice and bob, conversation 17 of the buyer b1."""

import json
import sys
import urllib.request

from hooks import sign

BASE = sys.argv[1] + "/api/v1"


def call(uid, method, path, body=None):
    request = urllib.request.Request(BASE + path, method=method, data=json.dumps(body or {}).encode())
    request.add_header("Authorization", f"Bearer {sign(uid)}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def say(uid, key, to, text):
    message = {"id": key, "to": to, "content": {"kind": "text", "text": text}}
    return call(uid, "POST", "/messages", message)["conversation"]


for shop in ["acme", "bolt"]:
    call("boss", "POST", "/shops", {"shop": shop, "name": shop.capitalize()})
password = "correct horse battery"
call("boss", "POST", "/shops/acme/agents", {"uid": "boss", "role": "admin"})
call("boss", "POST", "/shops/acme/agents", {"uid": "alice", "role": "admin", "password": password})
call("boss", "POST", "/shops/acme/agents", {"uid": "bob", "role": "agent"})
for n in range(1, 17):
    say(f"buyer{n}", "c0ffee-1", {"shop": "acme"}, f"Hello, I am number {n}")
assert say("b1", "c0ffee-1", {"shop": "acme"}, "Hello") == 17
call("boss", "POST", "/conversations/17/claim")
for n in range(2, 8):
    say("b1", f"c0ffee-{n}", {"conversation": 17}, f"And another thing: {n}")
    say("boss", f"c0ffee-{n}", {"conversation": 17}, f"Here it is: {n}")
say("boss", "c0ffee-shop", {"shop": "bolt"}, "Hello")
say("boss", "c0ffee-bob", {"user": "bob"}, "Hello")
