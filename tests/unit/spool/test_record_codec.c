#include "bridge/spool/record_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"

static struct buf encoded;

static int setup(void **state)
{
    (void)state;
    buf_init(&encoded, 1 << 24);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&encoded);
    return 0;
}

static struct record whole_record(void)
{
    static char names[RECORD_HEADERS_MAX][4];
    static const uint8_t value[RECORD_HEADERS_MAX] = {0, 1, 2, 3, 0xff, 0x80, '"'};
    struct record r = {
        .topic = "maesn.dead-letter",
        .key = BYTES_LITERAL("INVOICE:acme-42"),
        .value = BYTES_LITERAL("{\"a\":\"\0\"}"),
        .reason = DEAD_LETTER_NO_RESOURCE,
        .account = "acme-42",
        .path = "/in/maesn/acme-42/all/all/1",
    };
    for (int i = 0; i < RECORD_HEADERS_MAX; i++) {
        names[i][0] = 'h';
        names[i][1] = (char)('a' + i);
        record_add_header(&r, names[i], bytes_of(value, (size_t)i));
    }
    r.headers[3].value = (struct bytes){0};
    return r;
}

static void assert_bytes(struct bytes a, struct bytes b)
{
    assert_true(bytes_equal(a, b));
    assert_int_equal(a.data == NULL, b.data == NULL);
}

static void assert_record(const struct record *a, const struct record *b)
{
    assert_string_equal(a->topic, b->topic);
    assert_bytes(a->key, b->key);
    assert_bytes(a->value, b->value);
    assert_int_equal(a->reason, b->reason);
    assert_bytes(bytes_of_text(a->account), bytes_of_text(b->account));
    assert_bytes(bytes_of_text(a->path), bytes_of_text(b->path));
    assert_int_equal(a->headers_len, b->headers_len);
    for (size_t i = 0; i < a->headers_len; i++) {
        assert_string_equal(a->headers[i].name, b->headers[i].name);
        assert_bytes(a->headers[i].value, b->headers[i].value);
    }
}

static void assert_survives(const struct record *r)
{
    struct record back;
    struct diag diag = {0};
    assert_int_equal(record_codec_encode(r, &encoded), STATUS_OK);
    assert_int_equal(encoded.len, record_codec_size(r));
    assert_int_equal(record_codec_decode(buf_bytes(&encoded), &back, &diag), STATUS_OK);
    assert_record(&back, r);
}

static void everything_in_a_record_survives(void **state)
{
    (void)state;
    struct record r = whole_record();
    assert_survives(&r);
}

static void every_reason_survives(void **state)
{
    (void)state;
    for (int i = 0; i < DEAD_LETTER_REASONS; i++) {
        struct record r = whole_record();
        r.reason = (enum dead_letter_reason)i;
        assert_survives(&r);
    }
}

static void what_is_missing_stays_different_from_what_is_empty(void **state)
{
    (void)state;
    const struct record none = {.topic = "t", .value = BYTES_LITERAL("")};
    const struct record empty = {.topic = "",
                                 .key = BYTES_LITERAL(""),
                                 .value = BYTES_LITERAL(""),
                                 .account = "",
                                 .path = ""};
    assert_survives(&none);
    assert_survives(&empty);
}

static void only_key_value_and_headers_count_for_the_quota(void **state)
{
    (void)state;
    struct record r = {.topic = "maesn.invoice",
                       .key = BYTES_LITERAL("1234"),
                       .value = BYTES_LITERAL("123456"),
                       .account = "acme"};
    record_add_header(&r, "ce_id", BYTES_LITERAL("12"));
    assert_int_equal(record_codec_payload(&r), 4 + 6 + 5 + 2);
}

static void a_flipped_bit_anywhere_is_noticed(void **state)
{
    (void)state;
    struct record r = whole_record(), back;
    assert_int_equal(record_codec_encode(&r, &encoded), STATUS_OK);
    for (size_t bit = 0; bit < 8 * encoded.len; bit++) {
        struct diag diag = {0};
        encoded.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_equal(record_codec_decode(buf_bytes(&encoded), &back, &diag), STATUS_INVALID);
        assert_string_equal(diag.text, "the checksum differs");
        encoded.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
}

static void a_record_cut_anywhere_is_noticed(void **state)
{
    (void)state;
    struct record r = whole_record(), back;
    assert_int_equal(record_codec_encode(&r, &encoded), STATUS_OK);
    for (size_t len = 0; len < encoded.len; len++) {
        struct diag diag = {0};
        assert_int_equal(record_codec_decode(bytes_of(encoded.data, len), &back, &diag),
                         STATUS_INVALID);
    }
}

static void memory_that_runs_short_is_told(void **state)
{
    (void)state;
    struct record r = whole_record();
    alloc_fail_at(0);
    enum status status = record_codec_encode(&r, &encoded);
    assert_true(alloc_fail_end());
    assert_int_equal(status, STATUS_NOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_in_a_record_survives, setup, teardown),
        cmocka_unit_test_setup_teardown(every_reason_survives, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_stays_different_from_what_is_empty, setup,
                                        teardown),
        cmocka_unit_test(only_key_value_and_headers_count_for_the_quota),
        cmocka_unit_test_setup_teardown(a_flipped_bit_anywhere_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_cut_anywhere_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_that_runs_short_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
