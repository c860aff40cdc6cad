/* What the ingress seals, read back and judged: a letter becomes what its delivery would be today.
 */
#include "bridge/replay/judgement.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/providers/providers.h"
#include "tests/support/callbacks.h"

#define GOOD "{\"resource\":\"INVOICE\",\"resourceId\":\"7\",\"eventType\":\"CREATED\"}"

struct fixture {
    struct callbacks callbacks;
    struct judgement_options opt;
    struct callback cb;
};

static void fixture_init(struct fixture *f, const char *provider, const char *system)
{
    *f = (struct fixture){
        .opt =
            {
                .envelope =
                    {
                        .topic_template = "maesn.{resource}",
                        .key_template = "{resource}:{account}",
                        .other_topic = "maesn.other",
                        .token_topic = "maesn.token",
                        .dead_letter_topic = "maesn.dead-letter",
                    },
                .providers = providers_all,
            },
        .cb = {.received_at_unix_ms = 1767323046001,
               .content_type = "text/plain",
               .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    };
    callbacks_reset(&f->callbacks, (size_t)64 << 20);
    callbacks_route(&f->callbacks, providers_find(provider), system, NULL, NULL, NULL);
}

static void fixture_done(struct fixture *f)
{
    callbacks_done(&f->callbacks);
}

/* What the ingress makes of the body. */
static struct record *seal(struct fixture *f, const char *body, size_t *ret_len)
{
    f->cb.body = bytes_of_text(body);
    const struct route *r = f->callbacks.route;
    struct event_list events;
    struct record *records = NULL;
    assert_int_equal(r->provider->unify(r, &f->cb, &f->opt.provider, f->callbacks.arena, &events),
                     STATUS_OK);
    assert_int_equal(
        envelope_seal(&f->opt.envelope, r, &f->cb, &events, f->callbacks.arena, &records),
        STATUS_OK);
    *ret_len = events.len;
    return records;
}

/* The dead letter among them. */
static const struct record *letter_of(struct fixture *f, const char *body)
{
    size_t len;
    struct record *records = seal(f, body, &len);
    for (size_t i = 0; i < len; i++)
        if (records[i].reason != DEAD_LETTER_NONE)
            return &records[i];
    fail_msg("no dead letter in %s", body);
    return NULL;
}

/* With these bytes instead, as if the parser that wrote it had not understood them. */
static struct judgement judge(struct fixture *f, const struct record *letter, const char *value,
                              const char *id)
{
    struct record changed = *letter;
    changed.value = bytes_of_text(value);
    for (size_t i = 0; id != NULL && i < changed.headers_len; i++)
        if (strcmp(changed.headers[i].name, "ce_id") == 0)
            changed.headers[i].value = bytes_of_text(id);
    struct dead_letter read;
    struct judgement j;
    struct diag diag = {0};
    if (dead_letter_read(&changed, f->callbacks.arena, &read, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    assert_int_equal(judgement_make(&f->opt, &read, f->callbacks.arena, &j), STATUS_OK);
    return j;
}

static struct bytes id_of(const struct record *r)
{
    return record_header(r, "ce_id");
}

/* But for the trace, which is the letter's, and the id, where it is another delivery. */
static void assert_same(const struct record *a, const struct record *b, bool same_id)
{
    assert_string_equal(a->topic, b->topic);
    assert_true(bytes_equal(a->key, b->key));
    assert_true(bytes_equal(a->value, b->value));
    assert_int_equal(a->headers_len, b->headers_len);
    for (size_t i = 0; i < a->headers_len; i++) {
        const char *name = a->headers[i].name;
        assert_string_equal(name, b->headers[i].name);
        if (strcmp(name, "traceparent") != 0 && (same_id || strcmp(name, "ce_id") != 0))
            assert_true(bytes_equal(a->headers[i].value, b->headers[i].value));
    }
}

static void a_letter_becomes_what_its_bytes_would_be_today(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "maesn", "xero");
    const struct record *letter = letter_of(&f, "oops");
    size_t len;
    const struct record *direct = seal(&f, GOOD, &len);
    struct judgement j = judge(&f, letter, GOOD, NULL);
    assert_int_equal(j.outcome, REPLAY_REPLAYED);
    assert_int_equal(j.records_len, 1);
    assert_same(&j.records[0], direct, false);
    assert_true(bytes_equal(id_of(&j.records[0]), id_of(letter)));
    assert_true(bytes_equal(record_header(&j.records[0], "traceparent"),
                            record_header(letter, "traceparent")));
}

static void what_is_still_bad_stays_and_says_why(void **state)
{
    static const struct {
        const char *letter, *value, *detail;
    } rows[] = {
        {"oops", "oops", "the body is not JSON at byte 0"},
        {"", "", "the body is empty"},
        {"17", "17", "it is JSON, but not an object"},
        {"oops", "[17,{}]", "it is JSON, but not an object"},    /* not one good element */
        {"[17]", "17", "it is JSON, but not an object"},         /* an element */
        {"[17]", "[" GOOD "]", "it is JSON, but not an object"}, /* an array in an array */
        {"[17]", GOOD "," GOOD, "it is no element of an array"},
        {"[17]", "", "it is no element of an array"},
    };
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "maesn", "xero");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct judgement j = judge(&f, letter_of(&f, rows[i].letter), rows[i].value, NULL);
        assert_int_equal(j.outcome, REPLAY_NOT_UNDERSTOOD);
        assert_string_equal(j.detail, rows[i].detail);
        assert_int_equal(j.records_len, 0);
    }
}

static void an_empty_array_has_nothing_to_produce(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "maesn", "xero");
    struct judgement j = judge(&f, letter_of(&f, "oops"), "[]", NULL);
    assert_int_equal(j.outcome, REPLAY_REPLAYED);
    assert_int_equal(j.records_len, 0);
}

static void a_whole_array_becomes_all_that_the_ingress_makes_of_it(void **state)
{
    (void)state;
    static const char body[] = "[" GOOD ",17," GOOD "]";
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "maesn", "xero");
    const struct record *letter = letter_of(&f, "oops");
    size_t len;
    const struct record *direct = seal(&f, body, &len);
    struct judgement j = judge(&f, letter, body, bytes_text(&f.callbacks, id_of(&direct[0])));
    assert_int_equal(j.records_len, 3);
    for (size_t i = 0; i < 3; i++)
        assert_same(&j.records[i], &direct[i], true);
    assert_int_equal(j.records[1].reason, DEAD_LETTER_NOT_AN_OBJECT);
}

static void events_of_one_delivery_have_its_id_and_their_index(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "maesn", "xero");
    /* No hash of these bytes: the provider's own id, or bytes of which a token was masked. */
    struct judgement j = judge(&f, letter_of(&f, "oops"), "[" GOOD "," GOOD "]", "d-1");
    assert_int_equal(j.records_len, 2);
    assert_string_equal(bytes_text(&f.callbacks, id_of(&j.records[0])), "d-1.0");
    assert_string_equal(bytes_text(&f.callbacks, id_of(&j.records[1])), "d-1.1");
}

static void a_masked_token_does_not_stand_in_the_way(void **state)
{
    (void)state;
#define PUSH "{\"webhook_token\":\"***\",\"action\":\"contact_created\",\"entity_id\":\"7\"}"
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "moneybird", "moneybird");
    f.cb.delivery_id = "d-1";
    struct judgement j = judge(&f, letter_of(&f, "oops"), PUSH, NULL);
    assert_int_equal(j.outcome, REPLAY_REPLAYED);
    assert_string_equal(j.records[0].topic, "maesn.contact");
    assert_string_equal(bytes_text(&f.callbacks, id_of(&j.records[0])), "d-1");
    size_t len;
    assert_same(&j.records[0], seal(&f, PUSH, &len), true);
}

static void a_refused_record_comes_back_as_it_was(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "maesn", "xero");
    for (int format = 0; format < 2; format++) {
        f.opt.envelope.format = format == 0 ? ENVELOPE_BINARY : ENVELOPE_STRUCTURED;
        size_t len;
        const struct record *refused = seal(&f, GOOD, &len);
        struct record letter;
        assert_int_equal(
            envelope_dead_letter(&f.opt.envelope, refused, "too large", f.callbacks.arena, &letter),
            STATUS_OK);
        /* Wherever it would go today. */
        f.opt.envelope.topic_template = "elsewhere.{resource}";
        struct judgement j = judge(&f, &letter, bytes_text(&f.callbacks, letter.value), NULL);
        f.opt.envelope.topic_template = "maesn.{resource}";
        assert_int_equal(j.outcome, REPLAY_REPLAYED);
        assert_int_equal(j.records_len, 1);
        assert_same(&j.records[0], refused, true);
        assert_true(bytes_equal(record_header(&j.records[0], "traceparent"),
                                record_header(refused, "traceparent")));
    }
}

static void a_provider_that_is_no_more_leaves_its_letters(void **state)
{
    (void)state;
    static const struct provider *const none[] = {NULL};
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "maesn", "xero");
    const struct record *letter = letter_of(&f, "oops");
    f.opt.providers = none;
    struct judgement j = judge(&f, letter, GOOD, NULL);
    assert_int_equal(j.outcome, REPLAY_NOT_UNDERSTOOD);
    assert_string_equal(j.detail, "this version does not know its provider");
}

int main(void)
{
    if (crypto_start() != STATUS_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_becomes_what_its_bytes_would_be_today),
        cmocka_unit_test(what_is_still_bad_stays_and_says_why),
        cmocka_unit_test(an_empty_array_has_nothing_to_produce),
        cmocka_unit_test(a_whole_array_becomes_all_that_the_ingress_makes_of_it),
        cmocka_unit_test(events_of_one_delivery_have_its_id_and_their_index),
        cmocka_unit_test(a_masked_token_does_not_stand_in_the_way),
        cmocka_unit_test(a_refused_record_comes_back_as_it_was),
        cmocka_unit_test(a_provider_that_is_no_more_leaves_its_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
