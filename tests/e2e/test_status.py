"""/status, as people see it in Chromium, and /status.json, as programs read it."""

import concurrent.futures
import json
import re
import statistics
import time
import urllib.request

import pytest

from harness import wait
from harness.bridge import PATH, SECRET
from harness.browser import SCHEMES, WIDTHS, Browser, judge, keep, overflow, violations
from harness.crowd import Crowd
from harness.maesn import Maesn
from harness.reconciler import World, account
from harness.registry_cli import validate
from harness.sender import encode, event, post

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED", "DELETED"]}]
MANY = 1000
HOSTILE = "</td><img src=x onerror=\"alert('out of its text')\"><script>alert('run')</script>"


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.stop()


def is_as_far_as(bridge, **conditions):
    """Whether so many accounts are in each of these conditions."""
    accounts = json.loads(bridge.admin("/status.json")[1])["accounts"]
    return all(accounts["by_condition"][name] == count for name, count in conditions.items())


@pytest.fixture(scope="module")
def few(kafka):
    """Three accounts: one that is fine, one whose key is refused, one that is refused in hostile words."""
    def fault(request):
        if request.account_key == "key-of-globex":
            return 401, "{}"
        if request.account_key == "key-of-hooli" and request.method == "POST":
            return 400, json.dumps({"data": None, "errors": [HOSTILE]})
        return None

    maesn = Maesn()
    maesn.fault = fault
    world = World(kafka, maesn, "status-few", [account("acme-42", "lexware-office", INVOICES), account("globex"), account("hooli")],
                  {"reconciler": {"interval_s": 3600}})
    try:
        bridge = world.start()
        wait.until(lambda: is_as_far_as(bridge, fine=1, blocked=1, invalid=1), 60, "each account has come to its end")
        yield world
        assert bridge.stop() == 0
    finally:
        world.stop()
        maesn.stop()


@pytest.fixture(scope="module")
def many(kafka):
    """A thousand accounts, all fine."""
    crowd = Crowd()
    world = World(kafka, crowd, "status-many", [account(f"tenant-{n:04d}", "lexware-office", INVOICES) for n in range(MANY)],
                  {"reconciler": {"interval_s": 3600}})
    try:
        bridge = world.start()
        wait.until(lambda: is_as_far_as(bridge, fine=MANY), 120, "every account is fine")
        yield world
        assert bridge.stop() == 0
    finally:
        world.stop()
        crowd.stop()


def send(bridge, body, secret):
    """In a thread of its own: in this one Playwright's event loop runs, and no other one can."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(post, bridge.ingress_port, PATH, body, secret).result().status


def url_of(world_or_bridge, path="/status"):
    bridge = world_or_bridge.bridges[0] if isinstance(world_or_bridge, World) else world_or_bridge
    return f"http://127.0.0.1:{bridge.admin_port}{path}"


def shown(page):
    return page.locator(".accounts > li").count()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", ["few", "many"])
def test_the_page_fits_every_width_in_light_and_dark(browser, request, size, width, scheme):
    world = request.getfixturevalue(size)
    with browser.page(width, scheme) as page:
        page.goto(url_of(world))
        assert shown(page) == (3 if size == "few" else 50)
        assert overflow(page) <= 0
        keep(page, f"status-{size}-{width}-{scheme}")
        page.locator("summary").first.click()
        assert page.locator(".subscriptions").first.is_visible() or size == "few"
        assert overflow(page) <= 0
        keep(page, f"status-{size}-{width}-{scheme}-open")


def test_a_screenshot_of_nothing_is_seen(browser):
    with browser.page() as page:
        page.set_content("<p style='margin-bottom: 3000px'>Only at the top there is something, enough of it to be seen: " + "x" * 2000)
        with pytest.raises(AssertionError):
            keep(page, "nothing-below")
        with pytest.raises(AssertionError):
            judge(page.screenshot(), 1280, 900, True, "light-instead-of-dark")
        page.set_content("")
        with pytest.raises(AssertionError):
            keep(page, "blank")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [WIDTHS[0], WIDTHS[-1]])
def test_the_page_can_be_used_by_everybody(browser, few, width, scheme):
    """axe-core, everything opened: contrast, names, roles, headings, landmarks."""
    with browser.page(width, scheme) as page:
        page.goto(url_of(few))
        for summary in page.locator("summary").all():
            summary.click()
        page.mouse.move(0, 0)
        assert violations(page) == []


def test_what_is_wrong_comes_first_and_says_why(browser, few):
    with browser.page() as page:
        page.goto(url_of(few))
        accounts = page.locator(".accounts > li")
        assert [accounts.nth(i).locator(".id b").inner_text() for i in range(3)] == ["globex", "hooli", "acme-42"]
        assert [accounts.nth(i).locator(".condition").inner_text().strip() for i in range(3)] == ["blocked", "invalid", "fine"]
        accounts.nth(0).locator("summary").click()
        assert "401" in accounts.nth(0).locator(".reason").inner_text()
        assert "2 need attention" in page.locator("#figures").inner_text()
        accounts.nth(2).locator("summary").click()
        rows = accounts.nth(2).locator("tbody tr")
        assert sorted(rows.nth(i).locator("td").first.inner_text() for i in range(3)) == ["created", "deleted", "updated"]
        assert rows.first.locator(".mark").inner_text() == "active"
        assert re.fullmatch(r"in 36[45] d", rows.first.locator("td").nth(2).inner_text())


def test_what_a_provider_says_is_shown_and_never_becomes_markup(browser, few):
    with browser.page() as page:
        page.goto(url_of(few))
        item = page.locator("#account-hooli")
        item.locator("summary").click()
        assert "<img src=x onerror=" in item.inner_text()
        assert page.locator("img").count() == 0
        # What the reader asked for comes back, too.
        page.goto(url_of(few, "/status?account=%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E"))
        assert page.locator("#account").input_value() == '"><img src=x onerror=alert(1)>'
        assert page.locator("img").count() == 0 and shown(page) == 0


def test_the_policy_keeps_out_what_would_get_in(browser, few):
    with browser.page() as page:
        page.goto(url_of(few))
        page.evaluate("""() => {
            const script = document.createElement('script');
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
        }""")
        assert page.title() != "owned"
        [complaint] = page.complaints
        assert "Content Security Policy" in complaint
        page.complaints.clear()
    with urllib.request.urlopen(url_of(few)) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_typing_filters_a_thousand_accounts(browser, many):
    with browser.page() as page:
        page.goto(url_of(many))
        assert page.locator(".count").inner_text() == "Showing 1–50 of 1000 accounts"
        assert not page.get_by_role("button", name="Show").is_visible()
        page.get_by_label("Account or system").press_sequentially("tenant-042")
        page.locator(".count", has_text="Showing 1–10 of 10 that match, of 1000 accounts").wait_for()
        assert shown(page) == 10
        assert page.url.endswith("/status?account=tenant-042")
        assert page.evaluate("document.activeElement.id") == "account"
        page.get_by_label("State").select_option("blocked")
        page.locator(".count", has_text="Showing none of 1000 accounts").wait_for()
        page.reload()
        assert page.get_by_label("State").input_value() == "blocked"
        assert page.get_by_label("Account or system").input_value() == "tenant-042"


def test_without_a_script_everything_is_there(browser, many):
    with browser.page(javascript=False) as page:
        page.goto(url_of(many))
        page.get_by_role("link", name="Next").click()
        assert page.locator(".count").inner_text() == "Showing 51–100 of 1000 accounts"
        assert page.locator(".id b").first.inner_text() == "tenant-0050"
        page.locator("summary").first.click()
        assert page.locator("#account-tenant-0050 tbody tr").count() == 3
        assert page.locator("#account-tenant-0050 tbody tr").first.is_visible()
        page.get_by_label("Account or system").fill("TENANT-0999")
        page.get_by_label("State").select_option("fine")
        page.get_by_role("button", name="Show").click()
        assert page.url.endswith("/status?account=TENANT-0999&state=fine")
        assert shown(page) == 1 and page.locator("tbody tr").first.is_visible(), "a single one is open"


def test_a_query_that_is_none_is_told(browser, few):
    with browser.page() as page:
        assert page.goto(url_of(few, "/status?state=nonsense")).status == 400
        assert "nonsense" in page.get_by_role("alert").inner_text()
        page.complaints.clear()  # Chromium tells of the 400
    for query in ("state=nonsense", "page=0", "page=x"):
        status, text = few.bridges[0].admin(f"/status.json?{query}")
        assert status == 400
        validate(document := json.loads(text), "status")
        assert document["error"].startswith(query.partition("=")[0])
        assert document["accounts"]["items"] == []


def focused(page):
    return page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id")


def test_the_keyboard_is_enough(browser, few):
    with browser.page() as page:
        page.goto(url_of(few))
        page.keyboard.press("Tab")
        assert focused(page) == "Accounts"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.wait_for_url("**/status#accounts")
        page.keyboard.press("Tab")
        assert focused(page) == "account"
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert focused(page).startswith("globex")
        page.keyboard.press("Enter")
        assert page.locator("#account-globex .more").is_visible()


def test_what_is_open_and_where_the_keyboard_is_stays_when_the_page_refreshes(browser, few):
    with browser.page() as page:
        page.clock.install()
        page.goto(url_of(few))
        page.locator("#account-acme-42 summary").focus()
        page.keyboard.press("Enter")
        with page.expect_response(re.compile("/status")):
            page.clock.run_for(10000)
        page.clock.resume()
        page.wait_for_function("document.activeElement.tagName === 'SUMMARY'")
        assert focused(page).startswith("acme-42")
        assert page.locator("#account-acme-42 .more").is_visible()
        assert not page.locator("#stale").is_visible()


def test_a_process_that_is_gone_is_not_shown_as_if_it_were_there(browser, kafka, start_bridge):
    bridge = start_bridge(kafka)
    with browser.page() as page:
        page.clock.install()
        page.goto(url_of(bridge))
        assert bridge.stop() == 0
        page.clock.run_for(10000)
        page.locator("#stale").wait_for(state="visible")
        page.complaints.clear()  # Chromium tells of the refused connection


def test_an_ingress_tells_of_its_callbacks(browser, kafka, start_bridge):
    bridge = start_bridge(kafka)
    sent = 0

    def takes():
        nonlocal sent
        sent += 1
        assert send(bridge, encode(event(sent)), SECRET) == 200
        return json.loads(bridge.admin("/status.json")[1])["figures"]["callbacks"]["value"]

    wait.until(takes, 30, "a sample of callbacks")
    assert send(bridge, b"{}", "wrong") == 401
    validate(document := json.loads(bridge.admin("/status.json")[1]), "status")
    assert document["process"] == "ingress" and "accounts" not in document
    assert ["maesn", "200", sent] in document["counts"]["answers"]["rows"]
    assert ["maesn", "401", 1] in document["counts"]["answers"]["rows"]
    assert [bridge.topics["invoice"], "acked", sent] in document["counts"]["records"]["rows"]
    assert document["figures"]["routes-of-files"]["value"] == 1
    wait.until(lambda: len(json.loads(bridge.admin("/status.json")[1])["history"]["at"]) > 1, 30, "a line has two points")
    for width in WIDTHS:
        for scheme in SCHEMES:
            with browser.page(width, scheme) as page:
                page.goto(url_of(bridge))
                assert page.get_by_role("heading", level=1).inner_text() == "Ingress"
                assert page.locator("#charts figure").count() == 4
                assert page.locator("#charts .line-1").first.get_attribute("d").startswith("M")
                assert overflow(page) <= 0
                assert violations(page) == []
                keep(page, f"status-ingress-{width}-{scheme}")


def test_programs_get_what_the_schema_says(few, many):
    for world in (few, many):
        validate(document := json.loads(world.bridges[0].admin("/status.json")[1]), "status")
        assert document["process"] == "reconciler" and document["is_ready"]
    seen = []
    for number in range(1, MANY // 50 + 2):
        accounts = json.loads(many.bridges[0].admin(f"/status.json?page={number}")[1])["accounts"]
        assert accounts["total"] == accounts["matching"] == MANY
        seen += [a["account"] for a in accounts["items"]]
        assert all(len(a["subscriptions"]) == 3 and a["condition"] == "fine" for a in accounts["items"])
    assert seen == [f"tenant-{n:04d}" for n in range(MANY)]
    blocked = json.loads(few.bridges[0].admin("/status.json?state=blocked")[1])["accounts"]
    assert [a["account"] for a in blocked["items"]] == ["globex"]


@pytest.mark.parametrize("path", ["/status", "/status.json", "/metrics"])
def test_a_thousand_accounts_are_told_of_in_less_than_50_ms(many, path):
    """Measured: 2 ms a page."""
    times = []
    for _ in range(21):
        began = time.monotonic()
        assert many.bridges[0].admin(path)[0] == 200
        times.append(time.monotonic() - began)
    assert statistics.median(times) < 0.05, times
