#include "bridge/registry/route_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/domain/provider.h"
#include "bridge/registry/record_form.h"
#include "bridge/registry/registry_key.h"
#include "bridge/registry/sealed.h"
#include "tests/support/alloc_fail.h"

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

#define TOPIC "maesn.bridge.registry"
#define PARTITIONS 4

static const struct provider maesn = {.name = "maesn"};
static const struct provider *const providers[] = {&maesn, NULL};
static const int64_t generation = 1795293215356;
static const int64_t now = generation + ROUTE_INDEX_YOUNG_MS + 1;

static struct keyring *a, *b, *b_then_a;

/* A reader with its index, caught up. */
struct test {
    struct route_index *index;
    struct route_reader *reader;
};

/* A sealed record as the topic holds it. */
struct sample {
    struct route_record record;
    char key[CALLBACK_URL_KEY_SIZE];
    struct buf value;
    int32_t partition;
};

static struct test test_new(const struct keyring *keyring)
{
    struct test t = {.index = NULL};
    assert_int_equal(route_index_new(providers, a, &t.index), STATUS_OK);
    route_index_set_caught_up(t.index);
    assert_int_equal(route_reader_new(t.index, TOPIC, keyring, &t.reader), STATUS_OK);
    return t;
}

static void test_end(struct test *t)
{
    route_reader_free(t->reader);
    route_index_free(t->index);
}

static void sample_seal(struct sample *s, const struct keyring *keyring, const char *json)
{
    struct buf text;
    buf_init(&text, SEALED_PLAINTEXT_MAX);
    if (json == NULL)
        assert_int_equal(route_record_write(&s->record, &text), STATUS_OK);
    else
        buf_append_text(&text, json);
    buf_done(&s->value);
    buf_init(&s->value, SEALED_MAX);
    assert_int_equal(
        sealed_seal(keyring, TOPIC, bytes_of_text(s->key), buf_bytes(&text), &s->value), STATUS_OK);
    buf_done(&text);
}

static struct sample sample_new(const char *specification)
{
    struct sample s = {.record = {.url = {.generation_unix_ms = generation},
                                  .state = ROUTE_ACTIVE,
                                  .system = "xero",
                                  .secret = "5ecr3t"}};
    assert_true(specification_parse(bytes_of_text(specification), &s.record.url.specification));
    callback_url_key(&s.record.url, s.key);
    s.partition = registry_key_partition(s.record.url.specification.account, PARTITIONS);
    buf_init(&s.value, SEALED_MAX);
    sample_seal(&s, a, NULL);
    return s;
}

static enum route_reading take(struct test *t, const struct sample *s)
{
    return route_reader_take(t->reader, s->partition, PARTITIONS, bytes_of_text(s->key),
                             buf_bytes(&s->value), NULL);
}

static enum route_reading take_tombstone(struct test *t, const struct sample *s)
{
    return route_reader_take(t->reader, s->partition, PARTITIONS, bytes_of_text(s->key),
                             (struct bytes){NULL, 0}, NULL);
}

static enum route_lookup look_up(struct test *t, const struct sample *s)
{
    char path[CALLBACK_URL_PATH_SIZE];
    struct route *r = NULL;
    assert_int_equal(callback_url_path(&s->record.url, a, path), STATUS_OK);
    enum route_lookup lookup = route_index_find(t->index, path, now, &r);
    route_unref(r);
    return lookup;
}

static void records_come_go_and_come_back(void **state)
{
    (void)state;
    struct test t = test_new(b_then_a);
    struct sample s = sample_new("maesn/acme-42/invoice/created");
    assert_int_equal(take(&t, &s), ROUTE_READING_APPLIED);
    assert_int_equal(look_up(&t, &s), ROUTE_FOUND);
    for (int i = 0; i < 2; i++) /* the second one of a key that is not there */
        assert_int_equal(take_tombstone(&t, &s), ROUTE_READING_APPLIED);
    assert_int_equal(look_up(&t, &s), ROUTE_UNKNOWN);
    assert_int_equal(take(&t, &s), ROUTE_READING_APPLIED);
    assert_int_equal(look_up(&t, &s), ROUTE_FOUND);
    buf_done(&s.value);
    test_end(&t);
}

/* A record that is none of a route, where it stands, and what is made of it. */
struct key_row {
    const char *key;
    bool in_place;
    enum route_reading reading;
};

static void only_routes_are_read_but_every_record_must_be_in_its_place(void **state)
{
    (void)state;
    static const struct key_row rows[] = {
        {"/account/acme-42", true, ROUTE_READING_IGNORED},
        {"/account/acme-42", false, ROUTE_READING_MISPLACED},
        {"/in/maesn/acme-42/all/all/1795293215356", false, ROUTE_READING_MISPLACED},
        /* not ours, wherever they are */
        {"acme-42", false, ROUTE_READING_IGNORED},
        {"/request/acme-42", false, ROUTE_READING_IGNORED},
        {"/in/maesn/acme-42/all/all/now", false, ROUTE_READING_IGNORED},
        {"", false, ROUTE_READING_IGNORED},
    };
    struct test t = test_new(a);
    int32_t place = registry_key_partition("acme-42", PARTITIONS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int32_t partition = rows[i].in_place ? place : (place + 1) % PARTITIONS;
        assert_int_equal(route_reader_take(t.reader, partition, PARTITIONS,
                                           bytes_of_text(rows[i].key), BYTES_LITERAL("x"), NULL),
                         rows[i].reading);
    }
    assert_int_equal(route_reader_take(t.reader, 0, PARTITIONS, (struct bytes){NULL, 0},
                                       BYTES_LITERAL("x"), NULL),
                     ROUTE_READING_IGNORED);
    assert_int_equal(route_index_count(t.index).routes, 0);
    test_end(&t);
}

static void a_misplaced_record_is_told_with_topic_and_account(void **state)
{
    (void)state;
    struct test t = test_new(a);
    struct diag diag = {0};
    assert_int_equal(registry_key_partition("acme-42", PARTITIONS), 1);
    assert_int_equal(route_reader_take(t.reader, 3, PARTITIONS, BYTES_LITERAL("/account/acme-42"),
                                       BYTES_LITERAL("x"), &diag),
                     ROUTE_READING_MISPLACED);
    assert_string_equal(diag.text, "topic maesn.bridge.registry: a record of account acme-42 is in "
                                   "partition 3, expected 1: the topic was resized");
    test_end(&t);
}

static void any_flipped_bit_disables_its_route_and_no_other(void **state)
{
    (void)state;
    struct test t = test_new(a);
    struct sample s = sample_new("maesn/acme-42/invoice/created");
    struct sample other = sample_new("maesn/acme-42/invoice/updated");
    assert_int_equal(take(&t, &other), ROUTE_READING_APPLIED);
    for (size_t i = 0; i < s.value.len; i++) {
        assert_int_equal(take(&t, &s), ROUTE_READING_APPLIED);
        s.value.data[i] ^= (uint8_t)(1 << (i % 8));
        assert_int_equal(take(&t, &s), ROUTE_READING_UNREADABLE);
        s.value.data[i] ^= (uint8_t)(1 << (i % 8));
        assert_int_equal(look_up(&t, &s), ROUTE_NOT_YET);
        assert_int_equal(look_up(&t, &other), ROUTE_FOUND);
    }
    buf_done(&s.value);
    buf_done(&other.value);
    test_end(&t);
}

static void a_record_moved_under_another_key_disables_that_one_and_no_other(void **state)
{
    (void)state;
    struct test t = test_new(a);
    struct sample s = sample_new("maesn/acme-42/invoice/created");
    struct sample other = sample_new("maesn/acme-42/invoice/updated");
    assert_int_equal(take(&t, &s), ROUTE_READING_APPLIED);
    assert_int_equal(take(&t, &other), ROUTE_READING_APPLIED);
    assert_int_equal(route_reader_take(t.reader, s.partition, PARTITIONS, bytes_of_text(other.key),
                                       buf_bytes(&s.value), NULL),
                     ROUTE_READING_UNREADABLE);
    assert_int_equal(look_up(&t, &s), ROUTE_FOUND);
    assert_int_equal(look_up(&t, &other), ROUTE_NOT_YET);
    buf_done(&s.value);
    buf_done(&other.value);
    test_end(&t);
}

static void what_is_sealed_well_but_no_record_of_its_key_disables_the_route(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "{\"version\":2}",
        /* right, but of another generation */
        "{\"version\":1,\"state\":\"active\",\"provider\":\"maesn\",\"account\":\"acme-42\","
        "\"resource\":\"invoice\",\"event\":\"created\",\"generation_unix_ms\":1795293215357,"
        "\"origin\":\"created\",\"system\":\"xero\",\"secret\":\"s\"}",
    };
    struct test t = test_new(a);
    struct sample s = sample_new("maesn/acme-42/invoice/created");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        sample_seal(&s, a, NULL);
        assert_int_equal(take(&t, &s), ROUTE_READING_APPLIED);
        sample_seal(&s, a, texts[i]);
        assert_int_equal(take(&t, &s), ROUTE_READING_UNREADABLE);
        assert_int_equal(look_up(&t, &s), ROUTE_NOT_YET);
    }
    buf_done(&s.value);
    test_end(&t);
}

static void a_key_that_comes_later_brings_its_routes_back(void **state)
{
    (void)state;
    struct test t = test_new(a);
    struct sample s = sample_new("maesn/acme-42/invoice/created");
    struct sample gone = sample_new("maesn/acme-42/invoice/updated");
    struct sample mended = sample_new("maesn/acme-42/invoice/deleted");
    struct sample *all[] = {&s, &gone, &mended};
    for (size_t i = 0; i < 3; i++) {
        sample_seal(all[i], b, NULL);
        assert_int_equal(take(&t, all[i]), ROUTE_READING_UNREADABLE);
        assert_int_equal(take(&t, all[i]), ROUTE_READING_UNREADABLE); /* told twice, kept once */
    }
    assert_int_equal(take_tombstone(&t, &gone), ROUTE_READING_APPLIED);
    sample_seal(&mended, a, NULL);
    assert_int_equal(take(&t, &mended), ROUTE_READING_APPLIED);

    assert_int_equal(route_reader_set_keyring(t.reader, b_then_a), 1);
    assert_int_equal(look_up(&t, &s), ROUTE_FOUND);
    assert_int_equal(look_up(&t, &gone), ROUTE_UNKNOWN);
    assert_int_equal(route_index_count(t.index).disabled, 0);
    /* what was read stays when the key goes */
    assert_int_equal(route_reader_set_keyring(t.reader, a), 0);
    assert_int_equal(look_up(&t, &s), ROUTE_FOUND);
    for (size_t i = 0; i < 3; i++)
        buf_done(&all[i]->value);
    test_end(&t);
}

static void short_memory_changes_nothing_and_asks_for_the_record_again(void **state)
{
    (void)state;
    struct sample s = sample_new("maesn/acme-42/invoice/created");
    for (int readable = 0; readable < 2; readable++) {
        bool failed = true;
        for (long n = 0; failed; n++) {
            struct test t = test_new(readable ? a : b);
            alloc_fail_at(n);
            enum route_reading reading = take(&t, &s);
            failed = alloc_fail_end();
            enum route_reading right = readable ? ROUTE_READING_APPLIED : ROUTE_READING_UNREADABLE;
            assert_true(reading == right || (failed && reading == ROUTE_READING_NOMEM));
            assert_int_equal(route_index_count(t.index).routes, reading != ROUTE_READING_NOMEM);
            assert_int_equal(take(&t, &s), right);
            test_end(&t);
        }
    }
    buf_done(&s.value);
}

static int start(void **state)
{
    (void)state;
    assert_int_equal(crypto_start(), STATUS_OK);
    record_form_start();
    struct bytes text_a = BYTES_LITERAL("a:" HEX_A "\n"), text_b = BYTES_LITERAL("b:" HEX_B "\n");
    struct bytes both = BYTES_LITERAL("b:" HEX_B "\na:" HEX_A "\n");
    assert_int_equal(keyring_parse(text_a, "a", &a, NULL), STATUS_OK);
    assert_int_equal(keyring_parse(text_b, "b", &b, NULL), STATUS_OK);
    assert_int_equal(keyring_parse(both, "both", &b_then_a, NULL), STATUS_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    keyring_unref(a);
    keyring_unref(b);
    keyring_unref(b_then_a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_go_and_come_back),
        cmocka_unit_test(only_routes_are_read_but_every_record_must_be_in_its_place),
        cmocka_unit_test(a_misplaced_record_is_told_with_topic_and_account),
        cmocka_unit_test(any_flipped_bit_disables_its_route_and_no_other),
        cmocka_unit_test(a_record_moved_under_another_key_disables_that_one_and_no_other),
        cmocka_unit_test(what_is_sealed_well_but_no_record_of_its_key_disables_the_route),
        cmocka_unit_test(a_key_that_comes_later_brings_its_routes_back),
        cmocka_unit_test(short_memory_changes_nothing_and_asks_for_the_record_again),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
