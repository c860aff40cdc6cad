"""Maesn's webhook API, as its documents describe it, on a free port of loopback.

Source: docs.maesn.com, "Create webhook" and "Authentication"; the OpenAPI in github.com/maesndev/sdk-typescript at
b364da3; read 2026-11-21. What an answer to a list does not tell (resource, event, company) it does not tell here.
"""

import dataclasses
import datetime
import re
import secrets
import time
import urllib.parse
import uuid

from harness.provider import ProviderServer

API_KEY = "the-tenants-api-key-0123456789abcdef"
YEAR_S = 365 * 86400


@dataclasses.dataclass
class Subscription:
    id: str
    account_key: str
    query: dict
    body: dict  # as it was posted
    secret: str
    created: datetime.datetime
    expires: datetime.datetime
    made_at: float = dataclasses.field(default_factory=time.monotonic)
    ended_at: float | None = None  # when it was deleted

    @property
    def url(self):
        return self.body["callbackUrl"]

    @property
    def path(self):
        return urllib.parse.urlsplit(self.url).path

    @property
    def specification(self):
        """(resource, event) as asked for; None where it was not."""
        return self.body.get("resource"), self.body.get("eventType")

    def told(self, with_secret=False):
        told = {"id": self.id, "callbackUrl": self.url, "createdDate": text(self.created),
                "updatedDate": text(self.created), "expiresDate": text(self.expires)}
        return told | ({"secret": self.secret} if with_secret else {})


def text(instant):
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def envelope(data):
    return {"meta": None, "data": data, "errors": None, "rawData": None}


class Maesn(ProviderServer):
    def __init__(self, lifetime_s=YEAR_S):
        self.lifetime_s = lifetime_s
        super().__init__()

    def add(self, account_key, query, body):
        """Somebody makes a subscription; under the lock."""
        now = datetime.datetime.now(datetime.timezone.utc)
        made = Subscription(str(uuid.uuid4()), account_key, query, body, secrets.token_hex(32), now,
                            now + datetime.timedelta(seconds=self.lifetime_s))
        self.subscriptions[made.id] = made
        return made

    def expire(self):
        """What has come to its end sends and shows no more; under the lock."""
        now = datetime.datetime.now(datetime.timezone.utc)
        for s in [s for s in self.subscriptions.values() if s.expires <= now]:
            self.remove(s)

    def act(self, request):
        if request.api_key != API_KEY or not request.account_key:
            return 401, envelope(None)
        self.expire()
        mine = {s.id: s for s in self.subscriptions.values()
                if s.account_key == request.account_key and s.query == request.query}
        if request.method == "GET" and request.path == "/webhooks":
            return 200, envelope([s.told() for s in mine.values()])
        if request.method == "POST" and request.path == "/webhooks":
            return 201, envelope(self.add(request.account_key, request.query, request.body).told(with_secret=True))
        found = re.fullmatch(r"/webhooks/([^/]+)", request.path)
        if request.method == "DELETE" and found and found[1] in mine:
            self.remove(mine[found[1]])
            return 200, envelope({})
        return 404, envelope(None)
