/* pure_path [TIMES]: what happens to a callback between its last byte and the sink, again and
 * again. Prints the names of its cases, in the order in which it ends them: callgrind counts, and
 * tests/checks/pure_path.sh reads the counts. With TIMES, how long a callback takes.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/buf.h"
#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/domain/envelope.h"
#include "bridge/providers/maesn/maesn.h"
#include "bridge/providers/moneybird/moneybird.h"

DEFINE_CLEANUP(struct arena *, arena_free)

static const char secret_text[] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#define EVENT(id)                                                                                  \
    "{\"eventType\":\"UPDATED\",\"filterDate\":\"2026-01-02T03:04:05.678Z\","                      \
    "\"resource\":\"INVOICE\",\"resourceId\":\"" id "\"}"
#define UUID "11111111-2222-4333-8444-000000000042"

/* --- bodies --------------------------------------------------------------------------------- */

static void write_event(struct buf *b)
{
    buf_append_text(b, EVENT(UUID));
}

static void write_twenty(struct buf *b)
{
    for (unsigned i = 0; i < 20; i++) {
        buf_append_text(b, i == 0 ? "[" : ",");
        buf_append_text(b, EVENT(UUID));
    }
    buf_append_text(b, "]");
}

/* An event with a record inside, of about so many bytes: names, texts, numbers, a few beyond ASCII.
 */
static void write_record(struct buf *b, size_t len)
{
    buf_append_text(b,
                    "{\"eventType\":\"CREATED\",\"resource\":\"INVOICE\",\"resourceId\":\"4711\","
                    "\"filterDate\":\"2026-01-02T03:04:05Z\",\"entity\":{\"lines\":[");
    for (size_t line = 1; b->len < len; line++)
        buf_printf(b,
                   "%s{\"id\":%zu,\"description\":\"M\xc3\xbcnchner Stra\xc3\x9f"
                   "e 7, \\\"Hof\\\"\",\"amount\":%zu.50,\"tax\":null,\"paid\":true}",
                   line == 1 ? "" : ",", line, line * 17);
    buf_append_text(b, "]}}");
}

static void write_2_kib(struct buf *b)
{
    write_record(b, 2048);
}

static void write_64_kib(struct buf *b)
{
    write_record(b, 65536);
}

static void write_no_json(struct buf *b)
{
    buf_append_text(b, EVENT(UUID) "}");
}

static void write_push(struct buf *b)
{
    buf_append_text(b, "{\"administration_id\":\"123\",\"webhook_id\":\"456\",\"entity_type\":"
                       "\"SalesInvoice\",\"entity_id\":\"789\",\"state\":\"open\",\"action\":"
                       "\"sales_invoice_updated\",\"webhook_token\":\"abc\",\"entity\":{\"id\":"
                       "\"789\",\"lines\":[1,2,3],\"reference\":\"June\"}}");
}

/* --- cases ---------------------------------------------------------------------------------- */

static const struct bench_case {
    const char *name;
    const struct provider *provider;
    void (*write)(struct buf *body);
    bool is_forged;
    enum envelope_format format;
    size_t records_len;
} cases[] = {
    {"an event of 150 bytes", &maesn, write_event, false, ENVELOPE_BINARY, 1},
    {"an event of 2 KiB", &maesn, write_2_kib, false, ENVELOPE_BINARY, 1},
    {"an event of 64 KiB", &maesn, write_64_kib, false, ENVELOPE_BINARY, 1},
    {"an array of 20", &maesn, write_twenty, false, ENVELOPE_BINARY, 20},
    {"an event, structured", &maesn, write_event, false, ENVELOPE_STRUCTURED, 1},
    {"a push of Moneybird", &moneybird, write_push, false, ENVELOPE_BINARY, 1},
    {"a dead letter", &maesn, write_no_json, false, ENVELOPE_BINARY, 1},
    {"a forged signature", &maesn, write_event, true, ENVELOPE_BINARY, 0},
};

static const struct provider_options no_check = {.signature_tolerance_ms = 0};

static struct {
    unsigned times;
    struct route *route;
    struct callback callback;
    struct envelope_options envelope;
    size_t records_len;
} now;

/* As the ingress does it. */
static void process(void)
{
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(64 * 1024 * 1024);
    enum verification verification;
    struct event_list events = {0};
    struct record *records = NULL;
    const struct provider *p = now.route->provider;
    assert(a != NULL);
    assert(p->verify(now.route, &now.callback, &no_check, &verification) == STATUS_OK);
    assert(verification_is_authentic(verification) == (now.records_len > 0));
    if (!verification_is_authentic(verification))
        return;
    assert(p->unify(now.route, &now.callback, &no_check, a, &events) == STATUS_OK);
    assert(events.len == now.records_len);
    assert(envelope_seal(&now.envelope, now.route, &now.callback, &events, a, &records) ==
           STATUS_OK);
    assert(records[0].value.len > 0);
}

/* callgrind counts inside these two, and writes the counts down behind them. */
__attribute__((noinline)) void pure_path_counted(void);
void pure_path_counted(void)
{
    for (unsigned i = 0; i < now.times; i++)
        process();
}

__attribute__((noinline)) void pure_path_ended(void);
void pure_path_ended(void)
{
    __asm__ volatile("");
}

static void sign(const struct provider *p, struct secret *secret, struct bytes body, char *ret)
{
    const struct hmac_key *key;
    uint8_t mac[CRYPTO_SHA256_SIZE];
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    const struct bytes parts[] = {BYTES_LITERAL("1767322245."), body};
    bool is_timed = p == &moneybird;
    assert(secret_hmac_key(secret, &key) == STATUS_OK);
    assert(hmac_sha256(key, is_timed ? parts : parts + 1, is_timed ? 2 : 1, mac) == STATUS_OK);
    hex_encode(bytes_of(mac, sizeof(mac)), hex);
    snprintf(ret, 128, is_timed ? "t=1767322245,v1=%s" : "%s", hex);
}

static void run(const struct bench_case *c, bool is_timed)
{
    CLEANUP(buf_done) struct buf body;
    struct secret *secret = NULL;
    char signature[128];
    buf_init(&body, 1 << 20);
    c->write(&body);
    assert(secret_new(BYTES_LITERAL(secret_text), &secret, NULL) == STATUS_OK);
    const struct route_fields fields = {
        .path = "/in/maesn/acme-42/invoice/updated/1767322245000-abcdefghijklmnopqrstuvwxyz",
        .provider = c->provider,
        .account = "acme-42",
        .system = c->provider == &moneybird ? "moneybird" : "xero",
        .resource = "INVOICE",
        .event = "UPDATED",
        .state = ROUTE_ACTIVE,
        .current_secret = secret,
    };
    assert(route_new(&fields, &now.route) == STATUS_OK);
    sign(c->provider, secret, buf_bytes(&body), signature);
    if (c->is_forged)
        signature[0] = signature[0] == '0' ? '1' : '0';
    now.callback = (struct callback){
        .body = buf_bytes(&body),
        .signature = signature,
        .content_type = "application/json",
        .received_at_unix_ms = 1767322245678,
    };
    now.envelope = (struct envelope_options){
        .topic_template = "maesn.{resource}",
        .key_template = "{resource}:{account}",
        .other_topic = "maesn.other",
        .token_topic = "maesn.token",
        .dead_letter_topic = "maesn.dead-letter",
        .format = c->format,
        .trace = ENVELOPE_TRACE_RESTART,
    };
    now.records_len = c->records_len;
    process(); /* what is made once is made here */
    int64_t began_us = clock_mono_us();
    pure_path_counted();
    int64_t took_us = clock_mono_us() - began_us;
    if (is_timed)
        printf("%7.2f us  ", (double)took_us / now.times);
    puts(c->name);
    pure_path_ended();
    route_unref(now.route);
    secret_unref(secret);
}

int main(int argc, char *argv[])
{
    now.times = 16; /* as tests/checks/pure_path.sh believes */
    if (argc > 2 || (argc == 2 && (sscanf(argv[1], "%u", &now.times) != 1 || now.times == 0)) ||
        crypto_start() != STATUS_OK)
        return EXIT_FAILURE;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run(&cases[i], argc == 2);
    return EXIT_SUCCESS;
}
