#include "bridge/dev/sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/secret.h"
#include "bridge/dev/http_connection.h"
#include "bridge/dev/tenant_deliveries.h"
#include "fake_ingress.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define REFUSAL "HTTP/1.1 401 Unauthorized\r\ncontent-length: 12\r\n\r\nunauthorized"

/* --- connection ------------------------------------------------------------------------------- */

static const struct http_connection_request request = {.path = "/in/maesn/acme-42/by-hand",
                                                       .headers = "X-MAESN-SIGNATURE: 00ff\r\n",
                                                       .body = BYTES_LITERAL("{\"a\":1}")};

static enum status post(struct http_connection *c, int *ret_code)
{
    *ret_code = -1;
    return http_connection_post(c, &request, ret_code);
}

static void requests_share_a_connection(void **state)
{
    (void)state;
    static const struct fake_answer answers[] = {
        {.bytes = OK_ANSWER}, {.bytes = REFUSAL, .dribble = true}, {.bytes = OK_ANSWER}};
    struct fake_ingress *f = fake_ingress_new(answers, 3);
    struct http_connection c;
    int code;
    http_connection_init(&c, fake_ingress_port(f));
    assert_int_equal(post(&c, &code), STATUS_OK);
    assert_int_equal(code, 200);
    assert_int_equal(post(&c, &code), STATUS_OK);
    assert_int_equal(code, 401);
    assert_int_equal(post(&c, &code), STATUS_OK);
    assert_int_equal(code, 200);
    assert_int_equal(fake_ingress_connections(f), 1);
    assert_string_equal(fake_ingress_request(f, 2)->body, "{\"a\":1}");
    http_connection_done(&c);
    fake_ingress_free(f);
}

static void a_connection_that_the_server_closed_is_opened_again(void **state)
{
    (void)state;
    static const struct fake_answer answers[] = {
        {.bytes = OK_ANSWER, .close = true}, /* without saying so, as after an idle timeout */
        {.bytes = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                  "Content-Length: 0\r\nRetry-After: 1\r\n\r\n",
         .close = true},
        {.bytes = OK_ANSWER}};
    struct fake_ingress *f = fake_ingress_new(answers, 3);
    struct http_connection c;
    int code;
    http_connection_init(&c, fake_ingress_port(f));
    assert_int_equal(post(&c, &code), STATUS_OK);
    fake_ingress_await_closed(f, 1);
    assert_int_equal(post(&c, &code), STATUS_OK);
    assert_int_equal(code, 503);
    assert_int_equal(post(&c, &code), STATUS_OK);
    assert_int_equal(code, 200);
    assert_int_equal(fake_ingress_connections(f), 3);
    http_connection_done(&c);
    fake_ingress_free(f);
}

static void a_request_without_an_answer_is_not_sent_again(void **state)
{
    (void)state;
    static const struct fake_answer answers[] = {{.bytes = NULL}};
    struct fake_ingress *f = fake_ingress_new(answers, 1);
    struct http_connection c;
    int code;
    http_connection_init(&c, fake_ingress_port(f));
    assert_int_equal(post(&c, &code), STATUS_UNAVAILABLE);
    assert_int_equal(fake_ingress_requests(f), 1);
    http_connection_done(&c);
    fake_ingress_free(f);
}

static void what_is_no_http_answer_is_none(void **state)
{
    (void)state;
    static const struct fake_answer answers[] = {
        {.bytes = "SSH-2.0-x\r\n\r\n"},
        {.bytes = "HTTP/1.1 200 OK\r\n\r\n"},                                       /* no length */
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", .close = true}, /* cut short */
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", .close = true},
    };
    struct fake_ingress *f = fake_ingress_new(answers, 4);
    struct http_connection c;
    int code;
    http_connection_init(&c, fake_ingress_port(f));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(post(&c, &code), STATUS_UNAVAILABLE);
        assert_int_equal(code, -1);
    }
    http_connection_done(&c);
    fake_ingress_free(f);
}

/* --- sender ----------------------------------------------------------------------------------- */

#define TENANTS_MAX 16

struct run {
    struct ledger *ledger;
    struct secret *secrets[TENANTS_MAX];
    atomic_uint refusals;
    atomic_uint forged_refusals;
};

static int set_up(void **state)
{
    static struct run run;
    assert_in_range(tenants_len, 1, TENANTS_MAX);
    run = (struct run){.ledger = NULL};
    assert_int_equal(ledger_new(&run.ledger), STATUS_OK);
    for (size_t i = 0; i < tenants_len; i++)
        assert_int_equal(secret_new(bytes_of_text(tenants[i].account), &run.secrets[i], NULL),
                         STATUS_OK);
    *state = &run;
    return 0;
}

static int tear_down(void **state)
{
    struct run *run = *state;
    for (size_t i = 0; i < tenants_len; i++)
        secret_unref(run->secrets[i]);
    ledger_free(run->ledger);
    return 0;
}

static void note_refusal(void *owner, const char *path, bool forged, int code)
{
    struct run *run = owner;
    (void)path, (void)code;
    run->refusals++;
    run->forged_refusals += forged;
}

/* Sends until the server has answered so many requests. */
static void send_some(struct run *run, struct fake_ingress *f, unsigned per_second,
                      unsigned forge_every, size_t requests)
{
    struct tenant_deliveries deliveries = {.port = fake_ingress_port(f),
                                           .tenants = tenants,
                                           .secrets = run->secrets,
                                           .tenants_len = tenants_len};
    const struct sender_options opt = {.per_second = per_second,
                                       .lanes = tenants_len,
                                       .forge_every = forge_every,
                                       .source = tenant_deliveries_source(&deliveries),
                                       .ledger = run->ledger,
                                       .on_refusal = note_refusal,
                                       .owner = run};
    struct diag diag = {{0}};
    struct sender *s = NULL;
    assert_int_equal(sender_new(&opt, &s, &diag), STATUS_OK);
    fake_ingress_await(f, requests);
    sender_free(s);
}

/* Whether the tenant that the request's path names has signed the body. The secret is its name. */
static bool is_signed(const struct fake_request *r)
{
    char account[64], signature[65], expected[65];
    assert_int_equal(sscanf(r->head, "POST /in/maesn/%63[^/]/by-hand HTTP/1.1\r\n", account), 1);
    assert_int_equal(
        sscanf(strstr(r->head, "X-MAESN-SIGNATURE: "), "X-MAESN-SIGNATURE: %64s", signature), 1);
    struct hmac_key *key;
    uint8_t mac[CRYPTO_SHA256_SIZE];
    const struct bytes body = bytes_of_text(r->body);
    assert_int_equal(hmac_key_new(bytes_of_text(account), &key), STATUS_OK);
    assert_int_equal(hmac_sha256(key, &body, 1, mac), STATUS_OK);
    hmac_key_free(key);
    hex_encode(bytes_of(mac, sizeof(mac)), expected);
    return strcmp(expected, signature) == 0;
}

static const struct fake_answer always_200[] = {{.bytes = OK_ANSWER}};

static void callbacks_are_signed_with_their_tenants_secret(void **state)
{
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    send_some(*state, f, 20, 0, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(is_signed(fake_ingress_request(f, i)));
    assert_int_equal(fake_ingress_connections(f), 1);
    fake_ingress_free(f);
}

static void every_so_many_callbacks_one_is_wrongly_signed(void **state)
{
    struct run *run = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    send_some(run, f, 20, 2, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(is_signed(fake_ingress_request(f, i)), i % 2 == 0);
    struct ledger_totals t = ledger_totals(run->ledger);
    assert_int_equal(t.sent, fake_ingress_requests(f));
    assert_int_equal(t.forged, t.sent / 2);
    assert_int_equal(t.forged_refused, 0); /* this server lets them pass */
    assert_false(ledger_is_balanced(&t));
    fake_ingress_free(f);
}

static void answers_are_entered_in_the_books(void **state)
{
    struct run *run = *state;
    static const struct fake_answer answers[] = {
        {.bytes = OK_ANSWER},
        {.bytes = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = NULL},
        {.bytes = OK_ANSWER},
    };
    struct fake_ingress *f = fake_ingress_new(answers, 4);
    send_some(run, f, 20, 0, 4);
    struct ledger_totals t = ledger_totals(run->ledger);
    assert_int_equal(t.answered_otherwise, 1);
    assert_int_equal(t.unanswered, 1);
    assert_int_equal(t.answered_200, t.sent - 2);
    assert_in_range(t.missing, t.answered_200, t.answered_200 * TENANT_EVENTS_MAX);
    assert_int_equal(run->refusals, 2);
    assert_int_equal(run->forged_refusals, 0);
    fake_ingress_free(f);
}

/* The documented recipe, with the records' ce_id computed from what went over the wire. */
static void the_books_know_a_ce_id_by_the_published_recipe(void **state)
{
    struct run *run = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    send_some(run, f, 20, 0, 2);
    const struct fake_request *second = fake_ingress_request(f, 1); /* an object: one event */
    const struct bytes parts[] = {BYTES_LITERAL("maesn/birch-bakery/all/all\0"),
                                  bytes_of_text(second->body),
                                  BYTES_LITERAL("\0"
                                                "0")};
    uint8_t digest[CRYPTO_SHA256_SIZE];
    char ce_id[2 * CRYPTO_SHA256_SIZE + 1];
    assert_int_equal(sha256(parts, 3, digest), STATUS_OK);
    hex_encode(bytes_of(digest, sizeof(digest)), ce_id);
    ledger_receive(run->ledger, bytes_of(ce_id, 32));
    assert_int_equal(ledger_totals(run->ledger).received, 1);
    fake_ingress_free(f);
}

static void at_a_high_rate_each_tenant_has_a_connection_of_its_own(void **state)
{
    struct run *run = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    send_some(run, f, 500, 0, 60);
    assert_int_equal(fake_ingress_connections(f), tenants_len);
    assert_int_equal(ledger_totals(run->ledger).sent, fake_ingress_requests(f));
    fake_ingress_free(f);
}

static void nobody_listening_is_no_answer(void **state)
{
    struct run *run = *state;
    struct fake_ingress *f = fake_ingress_new(always_200, 1);
    struct http_connection c;
    int code;
    http_connection_init(&c, fake_ingress_port(f));
    fake_ingress_free(f);
    assert_int_equal(post(&c, &code), STATUS_UNAVAILABLE);
    http_connection_done(&c);
    assert_int_equal(ledger_totals(run->ledger).sent, 0);
}

static int start_crypto(void **state)
{
    (void)state;
    return crypto_start() == STATUS_OK ? 0 : 1;
}

#define SENDER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_share_a_connection),
        cmocka_unit_test(a_connection_that_the_server_closed_is_opened_again),
        cmocka_unit_test(a_request_without_an_answer_is_not_sent_again),
        cmocka_unit_test(what_is_no_http_answer_is_none),
        SENDER_TEST(callbacks_are_signed_with_their_tenants_secret),
        SENDER_TEST(every_so_many_callbacks_one_is_wrongly_signed),
        SENDER_TEST(answers_are_entered_in_the_books),
        SENDER_TEST(the_books_know_a_ce_id_by_the_published_recipe),
        SENDER_TEST(at_a_high_rate_each_tenant_has_a_connection_of_its_own),
        SENDER_TEST(nobody_listening_is_no_answer),
    };
    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
