"""What a provider answers to a list when it is not well: nothing follows from it."""

import collections
import json

import pytest

from harness import wait
from harness.maesn import envelope
from harness.provider import Fault
from harness.reconciler import account

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]
SECOND_LOOK_S = 3
# Whatever may be deleted would be, at once.
SETTINGS = {"reconciler": {"policy": "sync", "delete_delay_s": 0, "second_look_s": SECOND_LOOK_S},
            "http": {"timeout_ms": 1000}}


def told(text, **changes):
    """The true answer with some members replaced."""
    return json.dumps(json.loads(text) | changes)


def first_page(text):
    """Half of the true list, and word of another page."""
    data = json.loads(text)["data"]
    pages = {"total": len(data), "perPage": len(data) // 2, "currentPage": 1, "totalPages": 2}
    return told(text, data=data[:len(data) // 2], meta={"warnings": None, "pagination": pages})


def without(text, name):
    answer = json.loads(text)
    del answer[name]
    return json.dumps(answer)


def is_first_page(request):
    return request.query.get("page", "1") == "1"


# What makes a list untrusted, each a function of the request; by the account that it happens to.
UNTRUSTED = {
    "truncated-json": lambda r: Fault(alter=lambda text: text[:-25]),
    "cut-off-body": lambda r: Fault(cuts=True),
    "late": lambda r: Fault(delay_s=1.5),
    "html": lambda r: Fault(body="<!doctype html><title>maintenance</title>", headers={"Content-Type": "text/html"}),
    "empty-body": lambda r: Fault(body=""),
    "null": lambda r: Fault(body="null"),
    "bare-array": lambda r: Fault(body="[]"),
    "no-data": lambda r: Fault(alter=lambda text: without(text, "data")),
    "data-null": lambda r: Fault(alter=lambda text: told(text, data=None)),
    "data-object": lambda r: Fault(alter=lambda text: told(text, data={})),
    "errors": lambda r: Fault(alter=lambda text: told(text, data=[], errors=[{"message": "upstream is away"}])),
    "errors-object": lambda r: Fault(alter=lambda text: told(text, data=[], errors={"code": 1})),
    "entry-without-id": lambda r: Fault(alter=lambda text: told(text, data=[{"callbackUrl": "https://a.example"}])),
    "second-page-500": lambda r: Fault(alter=first_page) if is_first_page(r) else Fault(status=500, body="{}"),
    "second-page-html": lambda r: Fault(alter=first_page) if is_first_page(r) else Fault(body="<html>"),
    "second-page-empty": lambda r: Fault(alter=first_page if is_first_page(r) else lambda text: told(text, data=[])),
    "status-500": lambda r: Fault(status=500, body="{}"),
    "status-500-with-a-list": lambda r: Fault(status=500, alter=lambda text: told(text, data=[])),
    "status-429": lambda r: Fault(status=429, body="\"Retry later\"", headers={"Retry-After": "1"}),
    "status-204": lambda r: Fault(status=204, body=""),
    "status-404": lambda r: Fault(status=404, body=json.dumps(envelope(None))),
    "reset": lambda r: Fault(resets=True),
    "redirect": lambda r: Fault(status=302, body="", headers={"Location": "/elsewhere"}),
}


def ids(maesn, name):
    return {s.id for s in maesn.of(f"key-of-{name}")}


def test_a_list_that_cannot_be_trusted_changes_nothing(start_world, maesn):
    """Fails when any of these is taken for the truth: both subscriptions, or one, are then missing in more than two
    lists that are more than a second look apart, and are made again; those in an account's partial list are not."""
    names = list(UNTRUSTED)
    world = start_world([account(name, "lexware-office", INVOICES) for name in names], SETTINGS)
    world.await_settled(*names, count=2 * len(names), seconds=60)
    bridge = world.bridges[0]
    held, records, asked = {name: ids(maesn, name) for name in names}, len(world.records()), len(maesn.asked())

    def fault(request):
        return UNTRUSTED[request.account_key.removeprefix("key-of-")](request) if request.method == "GET" else None

    maesn.fault = fault

    def is_told_often_enough(name):
        """Three lists that are more than a second look apart; those that are tried again within a pass count as well."""
        lists = [r for r in maesn.asked("GET", f"key-of-{name}") if r in later and r.ended_at]
        return len(lists) >= 3 and lists[-1].at - lists[0].at > 2 * SECOND_LOOK_S

    def all_told():
        later[:] = maesn.asked()[asked:]
        return all(map(is_told_often_enough, names))

    later = []
    wait.until(all_told, 60, "every account had three lists")
    maesn.fault = lambda request: None
    counted = collections.Counter((r.account_key, r.method) for r in maesn.asked()[asked:] if r.writes)
    assert not counted, counted
    passes = bridge.metric("maesn_bridge_reconcile_passes_total", result="complete")
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_passes_total", result="complete") >= passes + len(names), 90,
               "a pass of every account that is well again")
    assert not [r for r in maesn.asked()[asked:] if r.writes]
    assert {name: ids(maesn, name) for name in names} == held
    assert len(world.records()) == records
    assert bridge.metric("maesn_bridge_reconcile_drift") == 0


# Well-formed and complete, and not the truth.
BELIEVABLE = {
    "empty": lambda text: told(text, data=[]),
    "of-somebody-else": lambda text: told(text, data=[
        {"id": "their-1", "callbackUrl": "https://elsewhere.example.com/1", "createdDate": "2026-01-01T00:00:00Z",
         "updatedDate": "2026-01-01T00:00:00Z", "expiresDate": "2027-01-01T00:00:00Z"}]),
}


@pytest.mark.parametrize("alter", BELIEVABLE.values(), ids=BELIEVABLE.keys())
def test_what_one_list_lacks_is_looked_for_again_before_anything_is_made(start_world, maesn, alter):
    """Fails when the first look is believed, or when what was made meanwhile stays beside what shows up again."""
    lies = {"key-of-once": 1, "key-of-twice": 2}
    world = start_world([account(name, "lexware-office", INVOICES) for name in ("once", "twice", "never")], SETTINGS)
    world.await_settled("once", "twice", "never", count=6)
    before = {name: ids(maesn, name) for name in ("once", "twice", "never")}
    asked = len(maesn.asked())

    def fault(request):
        if request.method != "GET" or not lies.get(request.account_key):
            return None
        lies[request.account_key] -= 1
        return Fault(alter=alter)

    maesn.fault = fault
    wait.until(lambda: not any(lies.values()), 60, "every lie was told")
    wait.until(lambda: len(maesn.asked("POST", "key-of-twice")) == 4, 20, "what two lists lacked is made again")
    first, second, *_ = [r for r in maesn.asked()[asked:] if r.account_key == "key-of-twice"]
    assert first.method == second.method == "GET" and second.at - first.at >= SECOND_LOOK_S
    # The old ones show up again, beside their replacements, and go when every ingress knows those.
    wait.until(lambda: not ids(maesn, "twice") & before["twice"], 60, "the old ones are gone")
    world.await_settled("once", "twice", "never", count=6)
    assert len(maesn.asked("POST", "key-of-twice")) == 4
    assert {r.method for r in maesn.asked()[asked:] if r.account_key != "key-of-twice"} == {"GET"}
    assert {name: ids(maesn, name) for name in ("once", "never")} == {name: before[name] for name in ("once", "never")}
    assert {r.path.rpartition("/")[2] for r in maesn.asked("DELETE")} == before["twice"]
