#include "bridge/domain/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void headers_keep_their_order_and_are_found_by_name(void **state)
{
    (void)state;
    struct record r = {0};
    record_add_header(&r, "ce_id", BYTES_LITERAL("1"));
    record_add_header(&r, "ce_type", BYTES_LITERAL(""));
    assert_int_equal(r.headers_len, 2);
    assert_string_equal(r.headers[0].name, "ce_id");
    assert_true(bytes_equal(record_header(&r, "ce_id"), BYTES_LITERAL("1")));
    assert_non_null(record_header(&r, "ce_type").data);
    assert_null(record_header(&r, "ce_source").data);
    assert_null(record_header(&r, "CE_ID").data); /* Kafka header keys are case-sensitive */
}

static void there_is_room_for_every_header_and_no_more(void **state)
{
    (void)state;
    struct record r = {0};
    for (size_t i = 0; i < RECORD_HEADERS_MAX; i++)
        record_add_header(&r, "x", BYTES_LITERAL(""));
    assert_int_equal(r.headers_len, RECORD_HEADERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_keep_their_order_and_are_found_by_name),
        cmocka_unit_test(there_is_room_for_every_header_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
