"""Moneybird's own webhook API, as its documents describe it, on a free port of loopback.

Source: developer.moneybird.com, "Webhooks"; github.com/moneybird/openapi at ff5b679 (2026-08-21).
"""

import dataclasses
import datetime
import json
import re
import secrets
import string
import time
import urllib.parse

from harness.provider import ProviderServer
from harness.sender import exchange, request, sign


@dataclasses.dataclass
class Webhook:
    id: str
    administration: str
    account_key: str
    url: str
    enabled_events: list
    token: str
    secret: str
    deactivated_at: str | None = None
    made_at: float = dataclasses.field(default_factory=time.monotonic)
    ended_at: float | None = None

    @property
    def path(self):
        return urllib.parse.urlsplit(self.url).path

    def told(self, with_secret=False):
        told = {"id": self.id, "administration_id": int(self.administration), "url": self.url,
                "enabled_events": self.enabled_events, "last_http_status": 200, "last_http_body": "OK",
                "token": self.token, "deactivated_at": self.deactivated_at}
        return told | ({"secret": self.secret} if with_secret else {})

    def push(self, action, entity_type, entity_id, state=None):
        """The body of one."""
        return json.dumps({"administration_id": self.administration, "webhook_id": self.id, "webhook_token": self.token,
                           "entity_type": entity_type, "entity_id": entity_id, "state": state, "action": action,
                           "entity": {"id": entity_id, "company_name": "Example B.V."}}).encode()


def signed_push(webhook, body, delivery, at=None):
    """The bytes of a push with this delivery id."""
    t = str(int(at or time.time()))
    signature = sign(webhook.secret, t.encode() + b"." + body)
    return request(webhook.path, body, {"Content-Type": "application/json", "Idempotency-Key": delivery,
                                        "Moneybird-Signature": f"t={t},v1={signature}"})


class Moneybird(ProviderServer):
    """`ingress_ports`: who is asked, in turn, whether the URL of a new webhook answers 200."""

    def __init__(self):
        self.ingress_ports, self.probes = [], []  # of Answer
        self._next_id = 433125577434400000
        super().__init__()

    def _probe(self, path):
        """Its form is not documented: an unsigned POST."""
        port = self.ingress_ports[len(self.probes) % len(self.ingress_ports)]
        self.probes.append(exchange(port, request(path, b"{}", {"Content-Type": "application/json"})))
        return self.probes[-1].status == 200

    def act(self, request):
        found = re.fullmatch(r"/(\d+)/webhooks(?:/(\d+)(/activate)?)?\.json", request.path)
        if not found or not request.headers.get("authorization", "").startswith("Bearer "):
            return 404, {"error": "record not found"}
        administration, id, activates = found.groups()
        mine = {s.id: s for s in self.subscriptions.values()
                if s.account_key == request.account_key and s.administration == administration}
        if id is None and request.method == "GET":
            return 200, [s.told() for s in mine.values()]
        if id is None and request.method == "POST":
            return self._create(administration, request)
        if id not in mine:
            return 404, {"error": "record not found", "symbolic": {"id": "not_found"}}
        if activates and request.method == "PATCH":
            mine[id].deactivated_at = None
            return 200, mine[id].told()
        if request.method == "DELETE":
            self.remove(mine[id])
            return 204, None
        return 405, {"error": "method not allowed"}

    def _create(self, administration, request):
        if set(request.body) != {"url", "enabled_events"}:
            return 400, {"error": "Url is required", "symbolic": {"url": "required"}}
        url = request.body["url"]
        if not self._probe(urllib.parse.urlsplit(url).path):
            return 400, {"error": "Url does not answer 200", "symbolic": {"url": "invalid"}}
        self._next_id += 1
        token = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(24))
        made = Webhook(str(self._next_id), administration, request.account_key, url, request.body["enabled_events"],
                       token, secrets.token_hex(32))
        self.subscriptions[made.id] = made
        return 201, made.told(with_secret=True)

    def deactivate(self, webhook):
        with self.lock:
            webhook.deactivated_at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
