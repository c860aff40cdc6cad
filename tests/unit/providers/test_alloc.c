/* Memory that is short sheds a callback: it never turns an event into a dead letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/envelope.h"
#include "bridge/providers/maesn/maesn.h"
#include "bridge/providers/moneybird/moneybird.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/callbacks.h"
#include "tests/support/openssl_alloc.h"

DEFINE_CLEANUP(struct arena *, arena_free)

static const struct provider_options no_check = {.signature_tolerance_ms = 0};
static const struct envelope_options structured = {
    .topic_template = "maesn.{resource}",
    .key_template = "{resource}:{account}",
    .other_topic = "maesn.other",
    .token_topic = "maesn.token",
    .dead_letter_topic = "maesn.dead-letter",
    .format = ENVELOPE_STRUCTURED,
    .trace = ENVELOPE_TRACE_CONTINUE,
};

#define EVENT                                                                                      \
    "{\"\\u0061ction\":\"new_thing_created\",\"resource\":\"\\u0049NV\",\"eventType\":\"X\",\
\"resourceId\":\"1\\n\",\"filterDate\":\"2026-01-02T03:04:05Z\",\"account\":\"x\",\"entity_id\":\"9\"}"

static const struct callback callback = {
    .body = {(const uint8_t *)"[" EVENT ",7]", sizeof("[" EVENT ",7]") - 1},
    .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    .tracestate = "rojo=1",
    .content_type = "text/plain",
};

/* Everything from the body to the records. */
static enum status process(const struct provider *p, const struct route *r, struct arena *a,
                           struct record **ret)
{
    struct event_list events;
    enum status status = p->unify(r, &callback, &no_check, a, &events);
    if (status != STATUS_OK)
        return status;
    assert_int_equal(events.len, 2);
    assert_int_equal(events.items[0].reason, DEAD_LETTER_NONE);
    return envelope_seal(&structured, r, &callback, &events, a, ret);
}

static const struct provider *const both[] = {&maesn, &moneybird};

static void a_failed_allocation_is_told_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(callbacks_done) struct callbacks c = {0};
        const struct route *r = callbacks_route(&c, both[i], "moneybird", NULL, NULL, "token");
        bool failed = true;
        long n = 0;
        for (; failed; n++) {
            CLEANUP(arena_free_scoped) struct arena *a = arena_new(1 << 20);
            struct record *records = NULL;
            alloc_fail_at(n);
            enum status status = process(both[i], r, a, &records);
            failed = alloc_fail_end();
            assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
            assert_true((records == NULL) == failed);
        }
        assert_true(n > 5);
    }
}

static void an_arena_of_any_size_is_enough_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(callbacks_done) struct callbacks c = {0};
        const struct route *r = callbacks_route(&c, both[i], "moneybird", NULL, NULL, "token");
        enum status status = STATUS_NOMEM;
        for (size_t max = 0; status != STATUS_OK && max < 65536; max++) {
            CLEANUP(arena_free_scoped) struct arena *a = arena_new(max);
            struct record *records;
            status = process(both[i], r, a, &records);
            assert_true(status == STATUS_OK || status == STATUS_NOMEM);
        }
        assert_int_equal(status, STATUS_OK);
    }
}

static void a_verification_without_memory_judges_nothing(void **state)
{
    (void)state;
    CLEANUP(callbacks_done) struct callbacks c = {0};
    const struct route *r = callbacks_route(&c, &moneybird, "moneybird", NULL, NULL, "tok");
    struct callback cb = {.body = BYTES_LITERAL("{\"webhook\\u005ftoken\":\"tok\"}")};
    bool failed = true;
    for (long n = 0; failed; n++) {
        enum verification verification = VERIFICATION_BAD;
        alloc_fail_at(n);
        enum status status = moneybird.verify(r, &cb, &no_check, &verification);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(verification, failed ? VERIFICATION_BAD : VERIFICATION_TOKEN);
    }
}

/* Of both secrets, and in OpenSSL as well. */
static void a_signature_without_memory_is_not_judged(void **state)
{
    (void)state;
#define OTHER "079c90819c7292eec9df0b1552a8ded94836bca3202c7dd59dbcb482b88b1cd0"
    static const char *const signatures[] = {OTHER, "t=1767323045,v1=" OTHER};
    for (size_t i = 0; i < 2; i++) {
        struct callback cb = {.body = BYTES_LITERAL("{}"), .signature = signatures[i]};
        bool failed = true;
        long n = 0;
        for (; failed; n++) {
            CLEANUP(callbacks_done) struct callbacks c = {0};
            const struct route *r =
                callbacks_route(&c, both[i], "moneybird", "current", "previous", NULL);
            enum verification verification = VERIFICATION_CURRENT;
            alloc_fail_at(n);
            enum status status = both[i]->verify(r, &cb, &no_check, &verification);
            failed = alloc_fail_end();
            assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
            assert_int_equal(verification, failed ? VERIFICATION_CURRENT : VERIFICATION_BAD);
        }
        assert_true(n > 5);
    }
}

/* The bodies that take most memory for their size. */
static void the_bound_of_the_arena_holds_for_the_worst_bodies(void **state)
{
    (void)state;
    static const char *const elements[] = {"1",
                                           "{}",
                                           "{\"\":1,\"\":2}",
                                           "{\"resource\":\"A\"}",
                                           "{\"resource\":\"\x7f\"}",
                                           "{\"action\":\"\x7f\"}",
                                           "{\"action\":\"a_b\",\"entity_id\":1,\"account\":2}",
                                           EVENT};
    for (size_t i = 0; i < 2 * sizeof(elements) / sizeof(elements[0]); i++) {
        CLEANUP(callbacks_done) struct callbacks c = {0};
        CLEANUP(buf_done) struct buf body;
        buf_init(&body, 900000);
        buf_append_text(&body, "[");
        size_t len = 0;
        for (; len < EVENTS_MAX && body.len + 1024 < body.max; len++)
            buf_printf(&body, "%s%s", len == 0 ? "" : ",", elements[i / 2]);
        buf_append_text(&body, "]");
        struct callback cb = callback;
        cb.body = buf_bytes(&body);
        CLEANUP(arena_free_scoped) struct arena *a = arena_new(envelope_arena_max(body.len));
        const struct route *r = callbacks_route(&c, both[i % 2], "moneybird", NULL, NULL, "token");
        struct event_list events;
        struct record *records;
        assert_int_equal(both[i % 2]->unify(r, &cb, &no_check, a, &events), STATUS_OK);
        assert_int_equal(events.len, len);
        assert_int_equal(envelope_seal(&structured, r, &cb, &events, a, &records), STATUS_OK);
    }
}

static int start(void **state)
{
    (void)state;
    uint8_t random[1]; /* the first ones take memory that OpenSSL can do without */
    bool has_started = openssl_alloc_start() && crypto_start() == STATUS_OK &&
                       crypto_random(random, sizeof(random)) == STATUS_OK;
    return has_started ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: an arena that is kept needs no memory. */
        cmocka_unit_test(a_verification_without_memory_judges_nothing),
        cmocka_unit_test(a_failed_allocation_is_told_and_nothing_else),
        cmocka_unit_test(an_arena_of_any_size_is_enough_or_not),
        cmocka_unit_test(a_signature_without_memory_is_not_judged),
        cmocka_unit_test(the_bound_of_the_arena_holds_for_the_worst_bodies),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
