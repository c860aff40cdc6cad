/* The simulated Maesn and Moneybird, as the bridge's own calls find them. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/dev/sender.h"
#include "bridge/dev/subscription_deliveries.h"
#include "bridge/domain/integration_override.h"
#include "bridge/providers/maesn/maesn.h"
#include "bridge/providers/moneybird/moneybird.h"
#include "fake_ingress.h"
#include "provider_bench.h"
#include "tests/support/callbacks.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static const char callback_url[] =
    "http://127.0.0.1:9/in/maesn/acme-42/invoice/created/1-aaaaaaaaaaaaaaaaaaaaaaaaaa";

static const struct wanted invoices_created = {
    .specification = {"maesn", "acme-42", "invoice", "created"}};
static const struct wanted invoices = {.specification = {"maesn", "acme-42", "invoice", "all"}};
static const struct wanted everything = {.specification = {"maesn", "acme-42", "all", "all"}};

static int set_up(void **state)
{
    static struct provider_bench bench;
    memset(&bench, 0, sizeof(bench));
    provider_bench_start(&bench);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    provider_bench_stop(*state);
    return 0;
}

/* Makes a subscription for nothing but its being there. */
static const char *make(struct provider_bench *b, const struct provider_credentials *c,
                        const char *url)
{
    struct created created = provider_bench_create(b, &maesn, c, &invoices_created, url);
    assert_int_equal(created.outcome.verdict, VERDICT_OK);
    created_done(&created);
    return created.entry.id;
}

/* --- Maesn ------------------------------------------------------------------------------------ */

static void a_subscription_is_made_listed_and_deleted(void **state)
{
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "lexware-office", NULL);
    struct created created = provider_bench_create(b, &maesn, &c, &invoices_created, callback_url);
    assert_int_equal(created.outcome.verdict, VERDICT_OK);
    assert_int_equal(secret_bytes(created.secret).len, 64);
    assert_int_equal(created.entry.expires_at_unix_ms,
                     created.entry.created_at_unix_ms + BENCH_LIFETIME_MS);

    struct listing listing = provider_bench_list(b, &maesn, &c);
    assert_true(listing.trusted);
    assert_int_equal(listing.len, 1);
    assert_string_equal(listing.entries[0].id, created.entry.id);
    assert_string_equal(listing.entries[0].callback_url, callback_url);
    assert_int_equal(listing.entries[0].expires_at_unix_ms, created.entry.expires_at_unix_ms);

    assert_int_equal(provider_bench_delete(b, &maesn, &c, created.entry.id), VERDICT_OK);
    assert_int_equal(provider_bench_delete(b, &maesn, &c, created.entry.id), VERDICT_NOT_FOUND);
    listing = provider_bench_list(b, &maesn, &c);
    assert_true(listing.trusted);
    assert_int_equal(listing.len, 0);
    created_done(&created);
    secret_unref((struct secret *)c.account_key);
}

static void a_list_tells_neither_secrets_nor_what_a_subscription_is_for(void **state)
{
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "lexware-office", NULL);
    struct provider_request request;
    make(b, &c, callback_url);
    assert_int_equal(maesn.api->list(&c, 1, b->arena, &request, NULL), STATUS_OK);
    struct provider_answer answer = provider_bench_call(b, &request);
    assert_int_equal(answer.http_status, 200);
    const char *body = (const char *)answer.body.data;
    assert_non_null(strstr(body, "callbackUrl"));
    assert_null(strstr(body, "secret"));
    assert_null(strstr(body, "\"resource"));
    assert_null(strstr(body, "eventType"));
    secret_unref((struct secret *)c.account_key);
}

static void two_of_the_same_are_two_with_a_secret_each(void **state)
{
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "lexware-office", NULL);
    struct created one = provider_bench_create(b, &maesn, &c, &invoices_created, callback_url);
    struct created two = provider_bench_create(b, &maesn, &c, &invoices_created, callback_url);
    assert_string_not_equal(one.entry.id, two.entry.id);
    assert_false(bytes_equal(secret_bytes(one.secret), secret_bytes(two.secret)));
    assert_int_equal(provider_bench_list(b, &maesn, &c).len, 2);
    created_done(&one);
    created_done(&two);
    secret_unref((struct secret *)c.account_key);
}

static void a_subscription_expires(void **state)
{
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "lexware-office", NULL);
    make(b, &c, callback_url);
    b->later_ms = BENCH_LIFETIME_MS - 60000;
    assert_int_equal(provider_bench_list(b, &maesn, &c).len, 1);
    b->later_ms = BENCH_LIFETIME_MS;
    assert_int_equal(provider_bench_list(b, &maesn, &c).len, 0);
    assert_int_equal(world_subscriptions(b->world), 0);
    secret_unref((struct secret *)c.account_key);
}

static void companies_and_accounts_do_not_see_each_other(void **state)
{
    struct provider_bench *b = *state;
    struct provider_credentials one = provider_bench_maesn(b, "freshbooks", "1"),
                                two = provider_bench_maesn(b, "freshbooks", "2"),
                                other = provider_bench_maesn(b, "lexware-office", NULL);
    const char *id = make(b, &one, callback_url);
    make(b, &other, callback_url);
    assert_int_equal(provider_bench_list(b, &maesn, &one).len, 1);
    assert_int_equal(provider_bench_list(b, &maesn, &two).len, 0);
    assert_int_equal(provider_bench_list(b, &maesn, &other).len, 1);
    assert_int_equal(provider_bench_delete(b, &maesn, &two, id), VERDICT_NOT_FOUND);
    assert_int_equal(provider_bench_delete(b, &maesn, &other, id), VERDICT_NOT_FOUND);
    assert_int_equal(provider_bench_delete(b, &maesn, &one, id), VERDICT_OK);
    secret_unref((struct secret *)one.account_key);
    secret_unref((struct secret *)two.account_key);
    secret_unref((struct secret *)other.account_key);
}

/* What the bridge makes of `subscriptions: all`, and what the simulator takes, come from two tables
 * that nobody copied from each other. */
static void all_subscriptions_of_each_system_are_taken(void **state)
{
    static const struct {
        const char *system, *company_id;
        size_t subscriptions;
    } rows[] = {
        {"businesscentral", "1", 11}, {"exact-nl", "1", 8},   {"freshbooks", "1", 24},
        {"lexware-office", NULL, 16}, {"moneybird", "1", 12}, {"qonto", NULL, 1},
        {"quickbooks", NULL, 1},      {"weclapp", NULL, 1},   {"xero", NULL, 1},
    };
    static const struct integration_overrides no_overrides = {.len = 0};
    struct provider_bench *b = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct provider_credentials c = provider_bench_maesn(b, rows[i].system, rows[i].company_id);
        const struct account account = {.id = "acme-42",
                                        .provider = &maesn,
                                        .system = rows[i].system,
                                        .company_id = rows[i].company_id,
                                        .wants_all = true};
        struct expansion e;
        assert_int_equal(maesn.api->expand(&account, &no_overrides, b->arena, &e), STATUS_OK);
        assert_int_equal(e.wanted_len, rows[i].subscriptions);
        for (size_t n = 0; n < e.wanted_len; n++) {
            struct created created =
                provider_bench_create(b, &maesn, &c, &e.wanted[n], callback_url);
            if (created.outcome.verdict != VERDICT_OK)
                fail_msg("%s %s/%s: %s", rows[i].system, e.wanted[n].specification.resource,
                         e.wanted[n].specification.event, created.outcome.reason.text);
            created_done(&created);
        }
        assert_int_equal(provider_bench_list(b, &maesn, &c).len, rows[i].subscriptions);
        secret_unref((struct secret *)c.account_key);
    }
}

static void what_maesn_does_not_take_is_refused(void **state)
{
    static const struct {
        const char *system, *company_id, *resource, *event, *url;
        enum provider_verdict verdict;
    } rows[] = {
        /* a resource of another system */
        {"qonto", NULL, "supplier", "all", callback_url, VERDICT_REFUSED},
        /* no resource where one is needed */
        {"qonto", NULL, "all", "all", callback_url, VERDICT_REFUSED},
        /* no event where one is needed */
        {"lexware-office", NULL, "invoice", "all", callback_url, VERDICT_REFUSED},
        /* TOKEN knows REVOKED only, and nothing else does */
        {"lexware-office", NULL, "token", "created", callback_url, VERDICT_REFUSED},
        {"lexware-office", NULL, "invoice", "revoked", callback_url, VERDICT_REFUSED},
        /* Exact has CONTACT for both of its halves */
        {"exact-nl", NULL, "customer", "all", callback_url, VERDICT_REFUSED},
        /* a company is missing */
        {"freshbooks", NULL, "invoice", "created", callback_url, VERDICT_REFUSED},
        /* a callback URL of somewhere else */
        {"qonto", NULL, "invoice", "all", "https://hooks.example.com/in/x", VERDICT_REFUSED},
        /* what a system ignores does no harm */
        {"xero", NULL, "invoice", "created", callback_url, VERDICT_OK},
        {"weclapp", NULL, "invoice", "deleted", callback_url, VERDICT_OK},
    };
    struct provider_bench *b = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct provider_credentials c = provider_bench_maesn(b, rows[i].system, rows[i].company_id);
        struct wanted wanted;
        wanted = (struct wanted){.enabled_events_len = 0};
        assert_true(specification_set(&wanted.specification, "maesn", "acme-42", rows[i].resource,
                                      rows[i].event));
        struct created created = provider_bench_create(b, &maesn, &c, &wanted, rows[i].url);
        if (created.outcome.verdict != rows[i].verdict)
            fail_msg("row %zu: %s, expected %s", i, provider_verdict_name(created.outcome.verdict),
                     provider_verdict_name(rows[i].verdict));
        created_done(&created);
        secret_unref((struct secret *)c.account_key);
    }
}

static void keys_that_are_not_known_are_refused(void **state)
{
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "no-such-system", NULL);
    assert_int_equal(provider_bench_list(b, &maesn, &c).outcome.verdict, VERDICT_UNAUTHORIZED);
    const struct secret *account_key = c.account_key;
    c.account_key = b->api_key;
    c.api_key = account_key;
    assert_int_equal(provider_bench_list(b, &maesn, &c).outcome.verdict, VERDICT_FORBIDDEN);
    secret_unref((struct secret *)account_key);
}

/* --- faults ----------------------------------------------------------------------------------- */

static void a_creation_goes_wrong_as_the_switch_says(void **state)
{
    static const struct {
        const char *rule;
        enum provider_verdict verdict;
        size_t made;
    } rows[] = {
        /* nothing was done */
        {"create:error*1", VERDICT_AMBIGUOUS, 0},
        {"create:error=503*1", VERDICT_AMBIGUOUS, 0},
        {"create:too-many=30*1", VERDICT_RETRY_LATER, 0},
        {"create:unauthorized*1", VERDICT_UNAUTHORIZED, 0},
        {"create:forbidden*1", VERDICT_FORBIDDEN, 0},
        {"create:html*1", VERDICT_AMBIGUOUS, 0},
        {"create:reset*1", VERDICT_AMBIGUOUS, 0},
        /* it was, and the answer looks the same */
        {"create:error-after*1", VERDICT_AMBIGUOUS, 1},
        {"create:html-after*1", VERDICT_AMBIGUOUS, 1},
        {"create:reset-after*1", VERDICT_AMBIGUOUS, 1},
        {"create:truncated*1", VERDICT_AMBIGUOUS, 1},
        {"create:other-url*1", VERDICT_AMBIGUOUS, 1},
        {"create:no-secret*1", VERDICT_NO_SECRET, 1},
        /* and then it has worn off */
        {"list:error*1", VERDICT_OK, 1},
        {"create:delay=1*1", VERDICT_OK, 1},
    };
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "lexware-office", NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t before = world_subscriptions(b->world);
        provider_bench_fault(b, rows[i].rule);
        struct created created =
            provider_bench_create(b, &maesn, &c, &invoices_created, callback_url);
        if (created.outcome.verdict != rows[i].verdict)
            fail_msg("%s: %s, expected %s", rows[i].rule,
                     provider_verdict_name(created.outcome.verdict),
                     provider_verdict_name(rows[i].verdict));
        if (world_subscriptions(b->world) - before != rows[i].made)
            fail_msg("%s: %zu were made, expected %zu", rows[i].rule,
                     world_subscriptions(b->world) - before, rows[i].made);
        created_done(&created);
        faults_clear(b->faults);
    }
    secret_unref((struct secret *)c.account_key);
}

static void a_list_lies_as_the_switch_says(void **state)
{
    static const struct {
        const char *rule;
        bool trusted;
        size_t len; /* if trusted */
    } rows[] = {
        {"list:empty-list", true, 0},   /* nobody can tell */
        {"list:missing-item", true, 2}, /* likewise */
        {"list:partial-list", false, 0}, {"list:list-errors", false, 0},
        {"list:html", false, 0},         {"delete:empty-list", true, 3}, /* another operation */
        {"any:missing-item", true, 2},
    };
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "lexware-office", NULL);
    for (size_t i = 0; i < 3; i++)
        make(b, &c, callback_url);
    for (size_t i = 0; i < COUNT(rows); i++) {
        provider_bench_fault(b, rows[i].rule);
        struct listing listing = provider_bench_list(b, &maesn, &c);
        if (listing.trusted != rows[i].trusted)
            fail_msg("%s: trusted %d", rows[i].rule, listing.trusted);
        if (listing.trusted)
            assert_int_equal(listing.len, rows[i].len);
        faults_clear(b->faults);
    }
    secret_unref((struct secret *)c.account_key);
}

static void a_retry_after_is_understood_by_the_client(void **state)
{
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "lexware-office", NULL),
                                m = provider_bench_moneybird(b, "123");
    provider_bench_fault(b, "delete:too-many=40");
    assert_int_equal(provider_bench_delete(b, &maesn, &c, "x"), VERDICT_RETRY_LATER);
    assert_in_range(b->retry_in_ms, 30000, 41000);
    b->retry_in_ms = 0;
    assert_int_equal(provider_bench_delete(b, &moneybird, &m, "1"), VERDICT_RETRY_LATER);
    assert_in_range(b->retry_in_ms, 30000, 41000);
    secret_unref((struct secret *)c.account_key);
    secret_unref((struct secret *)m.account_key);
}

static void the_switch_can_be_reached_over_http(void **state)
{
    static const char path[] = "/simulator/faults";
    struct provider_bench *b = *state;
    struct provider_answer answer =
        provider_bench_plain(b, PROVIDER_POST, path, "create:reset-after*2\nany:delay=5/3\n");
    assert_int_equal(answer.http_status, 200);
    answer = provider_bench_plain(b, PROVIDER_GET, path, NULL);
    assert_string_equal((const char *)answer.body.data, "create:reset-after*2\nany:delay=5/3\n");
    answer = provider_bench_plain(b, PROVIDER_POST, path, "create:explode");
    assert_int_equal(answer.http_status, 400);
    assert_string_equal((const char *)answer.body.data, "fault create:explode: no such kind\n");
    answer = provider_bench_plain(b, PROVIDER_DELETE, path, NULL);
    assert_int_equal(answer.http_status, 200);
    assert_int_equal(faults_next(b->faults, FAULT_CREATE).kind, FAULT_NONE);
}

/* The call has come when the rule is gone. */
static void await_strike(struct faults *f)
{
    for (bool there = true; there;) {
        CLEANUP(buf_done) struct buf rules;
        buf_init(&rules, 1024);
        faults_print(f, &rules);
        there = rules.len > 0;
        poll(NULL, 0, there ? 1 : 0);
    }
}

static void note_unanswered(void *ctx, const struct http_answer *answer)
{
    atomic_bool *unanswered = ctx;
    *unanswered = answer->outcome == HTTP_UNANSWERED;
}

static void stopping_does_not_wait_for_delays(void **state)
{
    struct provider_bench *b = *state;
    atomic_bool unanswered = false;
    const struct http_request request = {.method = HTTP_POST,
                                         .url = arena_printf(b->arena, "%s/webhooks", b->base_url),
                                         .key = "one",
                                         .start_within_ms = 10000};
    provider_bench_fault(b, "create:delay=600000*1");
    assert_int_equal(http_client_submit(b->http, &request, note_unanswered, &unanswered, NULL),
                     STATUS_OK);
    await_strike(b->faults);
    int64_t began_mono_ms = clock_mono_ms();
    provider_server_free(b->server);
    b->server = NULL;
    assert_in_range(clock_mono_ms() - began_mono_ms, 0, 20000);
    http_client_free(b->http);
    b->http = NULL;
    assert_true(unanswered);
}

static void what_is_no_call_of_an_api_is_answered_404(void **state)
{
    static const struct {
        enum provider_method method;
        const char *path;
    } rows[] = {
        {PROVIDER_GET, "/"},
        {PROVIDER_GET, "/webhooks/x"},
        {PROVIDER_DELETE, "/webhooks"},
        {PROVIDER_DELETE, "/webhooks/"},
        {PROVIDER_GET, "/webhooksome"},
        {PROVIDER_GET, "/api/v2/"},
        {PROVIDER_GET, "/api/v2//webhooks.json"},
        {PROVIDER_GET, "/api/v2/123/webhooks.xml"},
        {PROVIDER_PATCH, "/api/v2/123/webhooks/1.json"},
        {PROVIDER_PATCH, "/api/v2/123/webhooks/1/explode.json"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(
            provider_bench_plain(*state, rows[i].method, rows[i].path, NULL).http_status, 404);
}

static void a_body_that_is_too_long_is_answered_413(void **state)
{
    struct provider_bench *b = *state;
    size_t len = 200000;
    char *body = arena_alloc(b->arena, len + 1);
    memset(body, 'a', len);
    body[len] = '\0';
    assert_int_equal(provider_bench_plain(b, PROVIDER_POST, "/webhooks", body).http_status, 413);
}

/* --- Moneybird -------------------------------------------------------------------------------- */

static const char *const contact_events[] = {"contact_created", "contact_destroyed"};
static const struct wanted contacts = {.specification = {"moneybird", "bird-1", "all", "all"},
                                       .enabled_events = (const char **)contact_events,
                                       .enabled_events_len = 2};

static const struct fake_answer always_200[] = {{.bytes = OK_ANSWER}};

static const char *url_of(struct provider_bench *b, const struct fake_ingress *f,
                          const char *specification)
{
    return arena_printf(b->arena, "http://127.0.0.1:%u/in/%s/1-aaaaaaaaaaaaaaaaaaaaaaaaaa",
                        fake_ingress_port(f), specification);
}

static void a_webhook_is_probed_made_listed_and_deleted(void **state)
{
    struct provider_bench *b = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    struct provider_credentials c = provider_bench_moneybird(b, "123");
    const char *url = url_of(b, f, "moneybird/bird-1/all/all");
    struct created created = provider_bench_create(b, &moneybird, &c, &contacts, url);
    assert_int_equal(created.outcome.verdict, VERDICT_OK);
    assert_int_equal(strlen(created.entry.id), 18);
    assert_int_equal(secret_bytes(created.secret).len, 64);
    assert_int_equal(secret_bytes(created.token).len, 24);
    assert_int_equal(fake_ingress_requests(f), 1);
    assert_null(strstr(fake_ingress_request(f, 0)->head, "Signature"));

    struct listing listing = provider_bench_list(b, &moneybird, &c);
    assert_true(listing.trusted);
    assert_int_equal(listing.len, 1);
    assert_string_equal(listing.entries[0].id, created.entry.id);
    assert_string_equal(listing.entries[0].callback_url, url);
    assert_int_equal(listing.entries[0].enabled_events_len, 2);
    assert_string_equal(listing.entries[0].enabled_events[1], "contact_destroyed");
    assert_false(listing.entries[0].is_deactivated);

    assert_int_equal(provider_bench_delete(b, &moneybird, &c, created.entry.id), VERDICT_OK);
    assert_int_equal(provider_bench_delete(b, &moneybird, &c, created.entry.id), VERDICT_NOT_FOUND);
    created_done(&created);
    secret_unref((struct secret *)c.account_key);
    fake_ingress_free(f);
}

static void a_url_that_does_not_answer_200_is_refused(void **state)
{
    static const struct fake_answer answers[] = {
        {.bytes = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"}};
    struct provider_bench *b = *state;
    struct fake_ingress *f = fake_ingress_new(answers, 1);
    struct provider_credentials c = provider_bench_moneybird(b, "123");
    struct created created = provider_bench_create(b, &moneybird, &c, &contacts,
                                                   url_of(b, f, "moneybird/bird-1/all/all"));
    assert_int_equal(created.outcome.verdict, VERDICT_REFUSED);
    assert_int_equal(world_subscriptions(b->world), 0);
    created_done(&created);
    secret_unref((struct secret *)c.account_key);
    fake_ingress_free(f);
}

static void look_away(void *owner, const struct world_subscription *s)
{
    (void)owner, (void)s;
}

static void a_webhook_can_be_deactivated_and_activated(void **state)
{
    struct provider_bench *b = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    struct provider_credentials c = provider_bench_moneybird(b, "123");
    struct created created = provider_bench_create(b, &moneybird, &c, &contacts,
                                                   url_of(b, f, "moneybird/bird-1/all/all"));
    struct world_scope scope = {.company_id = "", .environment_name = ""};
    assert_non_null(world_find_account(b->world, WORLD_MONEYBIRD, "token-of-123", &scope.account));
    assert_true(world_set_active(b->world, &scope, created.entry.id, false, look_away, NULL));
    struct listing listing = provider_bench_list(b, &moneybird, &c);
    assert_true(listing.entries[0].is_deactivated);
    assert_int_equal(provider_bench_activate(b, &moneybird, &c, created.entry.id), VERDICT_OK);
    listing = provider_bench_list(b, &moneybird, &c);
    assert_false(listing.entries[0].is_deactivated);
    assert_int_equal(provider_bench_activate(b, &moneybird, &c, "1"), VERDICT_NOT_FOUND);
    created_done(&created);
    secret_unref((struct secret *)c.account_key);
    fake_ingress_free(f);
}

static void bodies_that_moneybird_refuses(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"url\":7}",
        "{\"url\":\"http://127.0.0.1:9/x\",\"events\":[\"contact_created\"]}",
        "{\"url\":\"http://127.0.0.1:9/x\",\"colour\":\"red\"}",
        "{\"url\":\"http://127.0.0.1:9/x\",\"enabled_events\":\"contact_created\"}",
        "{\"url\":\"http://127.0.0.1:9/x\",\"enabled_events\":[\"Contact\\\"\"]}",
        "{\"url\":\"https://example.com/x\",\"enabled_events\":[\"contact_created\"]}",
    };
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_moneybird(b, "123");
    struct provider_request request;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(
            moneybird.api->create(&c, &contacts, "http://127.0.0.1:9/x", b->arena, &request, NULL),
            STATUS_OK);
        request.body = bytes_of_text(bodies[i]);
        assert_int_equal(provider_bench_call(b, &request).http_status, 400);
    }
    secret_unref((struct secret *)c.account_key);
}

static void tokens_and_administrations_go_together(void **state)
{
    struct provider_bench *b = *state;
    struct provider_credentials other = provider_bench_moneybird(b, "124"),
                                unknown = provider_bench_moneybird(b, "123");
    const struct secret *token = unknown.account_key;
    unknown.account_key = b->api_key;
    assert_int_equal(provider_bench_list(b, &moneybird, &other).trusted, false);
    assert_int_equal(provider_bench_list(b, &moneybird, &unknown).outcome.verdict,
                     VERDICT_UNAUTHORIZED);
    secret_unref((struct secret *)token);
    secret_unref((struct secret *)other.account_key);
}

static void moneybird_counts_calls(void **state)
{
    (void)state;
    struct provider_bench b = {.moneybird_calls_max = 3};
    provider_bench_start(&b);
    struct provider_credentials c = provider_bench_moneybird(&b, "123");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(provider_bench_delete(&b, &moneybird, &c, "1"), VERDICT_NOT_FOUND);
    assert_int_equal(provider_bench_delete(&b, &moneybird, &c, "1"), VERDICT_RETRY_LATER);
    assert_in_range(b.retry_in_ms, 200000, 302000);
    b.later_ms = 300000;
    assert_int_equal(provider_bench_delete(&b, &moneybird, &c, "1"), VERDICT_NOT_FOUND);
    secret_unref((struct secret *)c.account_key);
    provider_bench_stop(&b);
}

/* --- callbacks -------------------------------------------------------------------------------- */

/* Sends until the server has answered so many requests more. */
static struct ledger *send_some(struct provider_bench *b, struct fake_ingress *f, size_t requests)
{
    struct ledger *ledger = NULL;
    struct sender *s = NULL;
    assert_int_equal(ledger_new(&ledger), STATUS_OK);
    const struct sender_options opt = {.per_second = 20,
                                       .lanes = 1,
                                       .source = subscription_deliveries_source(b->world),
                                       .ledger = ledger};
    size_t before = fake_ingress_requests(f);
    assert_int_equal(sender_new(&opt, &s, NULL), STATUS_OK);
    fake_ingress_await(f, before + requests);
    sender_free(s);
    return ledger;
}

/* The value of a header of a request, or NULL. */
static const char *value_of(struct provider_bench *b, const struct fake_request *r,
                            const char *name)
{
    const char *line = strstr(r->head, name);
    if (line == NULL)
        return NULL;
    line += strlen(name) + strlen(": ");
    return arena_dup(b->arena, bytes_of(line, strcspn(line, "\r")));
}

static enum verification verify(struct provider_bench *b, const struct provider *provider,
                                const struct fake_request *r, const struct secret *secret)
{
    struct callbacks fixture = {.arena = NULL};
    const struct provider_options opt = {.signature_tolerance_ms = 300000};
    const struct callback cb = {.body = bytes_of_text(r->body),
                                .signature = value_of(b, r, provider->signature_header),
                                .received_at_unix_ms = clock_unix_ms()};
    enum verification v = VERIFICATION_BAD;
    char text[65] = "";
    memcpy(text, secret_bytes(secret).data, 64);
    const struct route *route = callbacks_route(&fixture, provider, "xero", text, NULL, NULL);
    assert_int_equal(provider->verify(route, &cb, &opt, &v), STATUS_OK);
    callbacks_done(&fixture);
    return v;
}

static void each_subscription_gets_events_of_its_own_signed_with_its_own_secret(void **state)
{
    struct provider_bench *b = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    struct provider_credentials lexware = provider_bench_maesn(b, "lexware-office", NULL),
                                xero = provider_bench_maesn(b, "xero", NULL);
    struct created one = provider_bench_create(b, &maesn, &lexware, &invoices_created,
                                               url_of(b, f, "maesn/one/invoice/created"));
    struct created two =
        provider_bench_create(b, &maesn, &xero, &everything, url_of(b, f, "maesn/two/all/all"));
    ledger_free(send_some(b, f, 6));
    for (size_t i = 0; i < 6; i++) {
        const struct fake_request *r = fake_ingress_request(f, i);
        bool is_first = strstr(r->head, "/in/maesn/one/invoice/created/1-") != NULL;
        assert_int_equal(is_first, i % 2 == 0); /* they take turns */
        assert_int_equal(verify(b, &maesn, r, is_first ? one.secret : two.secret),
                         VERIFICATION_CURRENT);
        assert_int_equal(verify(b, &maesn, r, is_first ? two.secret : one.secret),
                         VERIFICATION_BAD);
        assert_int_equal(r->body[0], is_first ? '{' : '[');
        if (is_first)
            assert_non_null(strstr(r->body, "\"eventType\":\"CREATED\""));
        if (is_first)
            assert_non_null(strstr(r->body, "\"resource\":\"INVOICE\""));
    }
    created_done(&one);
    created_done(&two);
    secret_unref((struct secret *)lexware.account_key);
    secret_unref((struct secret *)xero.account_key);
    fake_ingress_free(f);
}

static void what_is_deleted_or_expired_gets_no_more(void **state)
{
    struct provider_bench *b = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    struct provider_credentials c = provider_bench_maesn(b, "qonto", NULL);
    struct created one =
        provider_bench_create(b, &maesn, &c, &invoices, url_of(b, f, "maesn/one/invoice/all"));
    struct created two =
        provider_bench_create(b, &maesn, &c, &invoices, url_of(b, f, "maesn/two/invoice/all"));
    assert_int_equal(provider_bench_delete(b, &maesn, &c, one.entry.id), VERDICT_OK);
    ledger_free(send_some(b, f, 3));
    for (size_t i = 0; i < 3; i++)
        assert_non_null(strstr(fake_ingress_request(f, i)->head, "/in/maesn/two/"));
    b->later_ms = BENCH_LIFETIME_MS;
    struct delivery d;
    struct delivery_source source = subscription_deliveries_source(b->world);
    delivery_init(&d, false);
    assert_int_equal(source.compose(source.owner, 0, &d), STATUS_BUSY);
    delivery_done(&d);
    created_done(&one);
    created_done(&two);
    secret_unref((struct secret *)c.account_key);
    fake_ingress_free(f);
}

static void exact_delivers_contacts_as_what_they_are(void **state)
{
    static const struct wanted contact = {.specification = {"maesn", "acme-42", "contact", "all"}};
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "exact-nl", NULL);
    struct created created = provider_bench_create(b, &maesn, &c, &contact, callback_url);
    struct delivery_source source = subscription_deliveries_source(b->world);
    for (uint64_t n = 0; n < 20; n++) {
        struct delivery d;
        delivery_init(&d, false);
        assert_int_equal(source.compose(source.owner, n, &d), STATUS_OK);
        assert_true(strstr(buf_text(&d.body), "\"resource\":\"CUSTOMER\"") != NULL ||
                    strstr(buf_text(&d.body), "\"resource\":\"SUPPLIER\"") != NULL);
        delivery_done(&d);
    }
    created_done(&created);
    secret_unref((struct secret *)c.account_key);
}

/* It would tell that the customer has left. */
static void nothing_is_sent_of_tokens(void **state)
{
    static const struct wanted token = {.specification = {"maesn", "acme-42", "token", "revoked"}};
    struct provider_bench *b = *state;
    struct provider_credentials c = provider_bench_maesn(b, "lexware-office", NULL);
    struct created created = provider_bench_create(b, &maesn, &c, &token, callback_url);
    struct delivery_source source = subscription_deliveries_source(b->world);
    struct delivery d;
    delivery_init(&d, false);
    assert_int_equal(created.outcome.verdict, VERDICT_OK);
    assert_int_equal(source.compose(source.owner, 0, &d), STATUS_BUSY);
    delivery_done(&d);
    created_done(&created);
    secret_unref((struct secret *)c.account_key);
}

static void moneybirds_pushes_are_signed_and_their_answers_listed(void **state)
{
    static const struct fake_answer answers[] = {
        {.bytes = OK_ANSWER},
        {.bytes = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"}};
    struct provider_bench *b = *state;
    struct fake_ingress *f = fake_ingress_new(answers, 2);
    struct provider_credentials c = provider_bench_moneybird(b, "123");
    struct created created = provider_bench_create(b, &moneybird, &c, &contacts,
                                                   url_of(b, f, "moneybird/bird-1/all/all"));
    struct ledger *ledger = send_some(b, f, 1);
    const struct fake_request *push = fake_ingress_request(f, 1); /* after the probe */
    assert_int_equal(verify(b, &moneybird, push, created.secret), VERIFICATION_CURRENT);
    assert_non_null(strstr(push->body, "\"entity_type\":\"Contact\""));
    assert_non_null(strstr(push->body, created.entry.id));
    struct listing listing = provider_bench_list(b, &moneybird, &c);
    assert_int_equal(listing.entries[0].last_http_status, 503);

    ledger_receive(ledger, bytes_of_text(value_of(b, push, "Idempotency-Key")));
    assert_int_equal(ledger_totals(ledger).received, 1);
    ledger_free(ledger);
    created_done(&created);
    secret_unref((struct secret *)c.account_key);
    fake_ingress_free(f);
}

/* As test_dev_sender computes it: with the specification that the callback URL names. */
static void the_books_know_the_ce_ids_of_subscriptions(void **state)
{
    struct provider_bench *b = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    struct provider_credentials c = provider_bench_maesn(b, "qonto", NULL);
    struct created created =
        provider_bench_create(b, &maesn, &c, &invoices, url_of(b, f, "maesn/one/invoice/all"));
    struct ledger *ledger = send_some(b, f, 1);
    const struct bytes parts[] = {BYTES_LITERAL("maesn/one/invoice/all\0"),
                                  bytes_of_text(fake_ingress_request(f, 0)->body),
                                  BYTES_LITERAL("\0"
                                                "0")};
    uint8_t digest[CRYPTO_SHA256_SIZE];
    char ce_id[2 * CRYPTO_SHA256_SIZE + 1];
    assert_int_equal(sha256(parts, 3, digest), STATUS_OK);
    hex_encode(bytes_of(digest, sizeof(digest)), ce_id);
    ledger_receive(ledger, bytes_of(ce_id, 32));
    assert_int_equal(ledger_totals(ledger).received, 1);
    ledger_free(ledger);
    created_done(&created);
    secret_unref((struct secret *)c.account_key);
    fake_ingress_free(f);
}

static int start_libraries(void **state)
{
    (void)state;
    return crypto_start() == STATUS_OK && http_client_prepare() == STATUS_OK ? 0 : 1;
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_subscription_is_made_listed_and_deleted),
        BENCH_TEST(a_list_tells_neither_secrets_nor_what_a_subscription_is_for),
        BENCH_TEST(two_of_the_same_are_two_with_a_secret_each),
        BENCH_TEST(a_subscription_expires),
        BENCH_TEST(companies_and_accounts_do_not_see_each_other),
        BENCH_TEST(all_subscriptions_of_each_system_are_taken),
        BENCH_TEST(what_maesn_does_not_take_is_refused),
        BENCH_TEST(keys_that_are_not_known_are_refused),
        BENCH_TEST(a_creation_goes_wrong_as_the_switch_says),
        BENCH_TEST(a_list_lies_as_the_switch_says),
        BENCH_TEST(a_retry_after_is_understood_by_the_client),
        BENCH_TEST(the_switch_can_be_reached_over_http),
        BENCH_TEST(stopping_does_not_wait_for_delays),
        BENCH_TEST(what_is_no_call_of_an_api_is_answered_404),
        BENCH_TEST(a_body_that_is_too_long_is_answered_413),
        BENCH_TEST(a_webhook_is_probed_made_listed_and_deleted),
        BENCH_TEST(a_url_that_does_not_answer_200_is_refused),
        BENCH_TEST(a_webhook_can_be_deactivated_and_activated),
        BENCH_TEST(bodies_that_moneybird_refuses),
        BENCH_TEST(tokens_and_administrations_go_together),
        cmocka_unit_test(moneybird_counts_calls),
        BENCH_TEST(each_subscription_gets_events_of_its_own_signed_with_its_own_secret),
        BENCH_TEST(what_is_deleted_or_expired_gets_no_more),
        BENCH_TEST(exact_delivers_contacts_as_what_they_are),
        BENCH_TEST(nothing_is_sent_of_tokens),
        BENCH_TEST(moneybirds_pushes_are_signed_and_their_answers_listed),
        BENCH_TEST(the_books_know_the_ce_ids_of_subscriptions),
    };
    return cmocka_run_group_tests(tests, start_libraries, NULL);
}
