"""What schemathesis needs to know that the document cannot say: who asks."""

import base64
import hashlib
import hmac
import itertools
import json
import os
import re
import time

import schemathesis

# A logout refuses the tokens that were issued until then: each request has one that is a second younger than the one before, and younger
# than whatever the clock says while this runs.
BEGAN = int(time.time()) + 3_600
SECONDS = itertools.count()


def sign(uid):
    """A token as a shopping platform's back end signs it."""

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    issued = BEGAN + next(SECONDS)
    claims = {"sub": uid, "iat": issued, "exp": issued + 36_000}
    body = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    key = os.environ["SHOPBELL__AUTH__SECRET"].encode()
    return (body + b"." + part(hmac.new(key, body, hashlib.sha256).digest())).decode()


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key that has stood for another request would hide what this one gets: it becomes one of its own."""
    key = (case.headers or {}).get("Idempotency-Key", "")
    if re.fullmatch("[!-~]{1,200}", key):
        case.headers["Idempotency-Key"] = f"{key}-{next(SECONDS)}"


@schemathesis.auth(refresh_interval=None)
class Boss:
    """Operator, and admin of the shop acme: may do everything that anyone may, but come as a visitor."""

    def get(self, case, context):
        return sign("boss")

    def set(self, case, data, context):
        if case.path.endswith("/visitors"):
            return
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
