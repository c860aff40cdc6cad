#include "bridge/domain/trace_context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

DEFINE_CLEANUP(struct arena *, arena_free)

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void a_traceparent_is_taken_or_ignored_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *again; /* written as version 00; NULL: ignored */
    } rows[] = {
        {"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-01"},
        {"00-" TRACE "-" PARENT "-00", "00-" TRACE "-" PARENT "-00"},
        /* flags we do not know become zero, the random flag of level 2 stays */
        {"00-" TRACE "-" PARENT "-02", "00-" TRACE "-" PARENT "-02"},
        {"00-" TRACE "-" PARENT "-ff", "00-" TRACE "-" PARENT "-03"},
        {"00-" TRACE "-" PARENT "-04", "00-" TRACE "-" PARENT "-00"},
        /* a later version: its beginning is ours, the rest unknown */
        {"01-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-01"},
        {"cc-" TRACE "-" PARENT "-01-what-the-future-brings", "00-" TRACE "-" PARENT "-01"},
        {"cc-" TRACE "-" PARENT "-01-", "00-" TRACE "-" PARENT "-01"},
        {"cc-" TRACE "-" PARENT "-01.what", NULL},
        {"cc-" TRACE "-" PARENT "-01what", NULL},
        /* version ff is forbidden; a version is two lower-case hex digits */
        {"ff-" TRACE "-" PARENT "-01", NULL},
        {"FE-" TRACE "-" PARENT "-01", NULL},
        {"0-" TRACE "-" PARENT "-01", NULL},
        {"0g-" TRACE "-" PARENT "-01", NULL},
        {"", NULL},
        {NULL, NULL},
        /* version 00 has nothing behind its flags */
        {"00-" TRACE "-" PARENT "-01-", NULL},
        {"00-" TRACE "-" PARENT "-01-x", NULL},
        {"00-" TRACE "-" PARENT "-011", NULL},
        {"00-" TRACE "-" PARENT "-01 ", NULL},
        {" 00-" TRACE "-" PARENT "-01", NULL},
        /* too short in each part */
        {"00-" TRACE "-" PARENT "-1", NULL},
        {"00-" TRACE "-" PARENT "-", NULL},
        {"00-" TRACE "-" PARENT, NULL},
        {"00-4bf92f3577b34da6a3ce929d0e0e473-" PARENT "-01", NULL},
        {"00-" TRACE "-00f067aa0ba902b-01", NULL},
        /* upper case and no hex */
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", NULL},
        {"00-" TRACE "-00F067AA0BA902B7-01", NULL},
        {"00-" TRACE "-" PARENT "-0A", NULL},
        {"00-4bf92f3577b34da6a3ce929d0e0e473.-" PARENT "-01", NULL},
        {"00-" TRACE "-00f067aa0ba902b.-01", NULL},
        {"00-" TRACE "-" PARENT "-0.", NULL},
        /* all zero means none */
        {"00-00000000000000000000000000000000-" PARENT "-01", NULL},
        {"00-" TRACE "-0000000000000000-01", NULL},
        /* other separators */
        {"00_" TRACE "-" PARENT "-01", NULL},
        {"00-" TRACE "_" PARENT "-01", NULL},
        {"00-" TRACE "-" PARENT "_01", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct traceparent trace;
        char again[TRACEPARENT_SIZE];
        if (traceparent_parse(rows[i].text, &trace) != (rows[i].again != NULL))
            fail_msg("row %zu: %s", i, rows[i].text);
        if (rows[i].again == NULL)
            continue;
        traceparent_format(&trace, again);
        assert_string_equal(again, rows[i].again);
    }
}

static void a_continued_trace_keeps_its_id_and_gets_a_new_parent(void **state)
{
    (void)state;
    struct traceparent trace;
    assert_true(traceparent_parse("00-" TRACE "-" PARENT "-00", &trace));
    assert_int_equal(traceparent_continue(&trace), STATUS_OK);
    assert_string_equal(trace.trace_id, TRACE);
    assert_string_not_equal(trace.parent_id, PARENT);
    assert_int_equal(trace.flags, 0);
}

static void a_restarted_trace_is_valid_and_each_time_another(void **state)
{
    (void)state;
    struct traceparent first, second, read;
    char text[TRACEPARENT_SIZE];
    assert_int_equal(traceparent_restart(&first), STATUS_OK);
    assert_int_equal(traceparent_restart(&second), STATUS_OK);
    assert_string_not_equal(first.trace_id, second.trace_id);
    traceparent_format(&first, text);
    assert_true(traceparent_parse(text, &read));
    assert_string_equal(read.trace_id, first.trace_id);
    assert_int_equal(read.flags, 3);
}

static char *repeat(char c, size_t len, char *ret)
{
    memset(ret, c, len);
    ret[len] = '\0';
    return ret;
}

static const char *forward(struct arena *a, const char *text)
{
    const char *ret;
    assert_int_equal(tracestate_forward(text, a, &ret), STATUS_OK);
    return ret;
}

static void a_tracestate_is_passed_on_or_ignored_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text, *forwarded;
    } rows[] = {
        {"rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7"},
        {"rojo=1,congo=t61rcWkgMzE", "rojo=1,congo=t61rcWkgMzE"},
        /* white space around members and empty ones are not passed on; leading spaces of a value
           are */
        {" rojo=1 ,\t,, congo=2\t", "rojo=1,congo=2"},
        {"rojo= 1", "rojo= 1"},
        {"0key=1,a_-*/@b=2", "0key=1,a_-*/@b=2"},
        {NULL, NULL},
        {"", NULL},
        {" , ", NULL},
        /* one bad member spoils the list */
        {"rojo=1,congo", NULL},
        {"rojo=1,=2", NULL},
        {"rojo=1,congo=", NULL},
        {"Rojo=1", NULL},
        {"-rojo=1", NULL},
        {"ro jo=1", NULL},
        {"rojo =1", NULL},
        {"rojo=1=2", NULL},
        {"rojo=\x7f", NULL},
        {"rojo=\xc3\xa9", NULL},
        {"rojo=1,rojo=2", NULL},
    };
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *forwarded = forward(a, rows[i].text);
        assert_true((forwarded == NULL) == (rows[i].forwarded == NULL));
        if (forwarded != NULL)
            assert_string_equal(forwarded, rows[i].forwarded);
    }
}

static void a_tracestate_has_at_most_32_members_and_256_characters_a_part(void **state)
{
    (void)state;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536);
    char text[4096] = "", part[512];
    for (size_t i = 0; i < 32; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sk%zu=1", i ? "," : "", i);
    assert_string_equal(forward(a, text), text);
    snprintf(text + strlen(text), sizeof(text) - strlen(text), ",k32=1");
    assert_null(forward(a, text));

    snprintf(text, sizeof(text), "%s=1", repeat('k', 256, part));
    assert_non_null(forward(a, text));
    snprintf(text, sizeof(text), "%s=1", repeat('k', 257, part));
    assert_null(forward(a, text));
    snprintf(text, sizeof(text), "k=%s", repeat('v', 256, part));
    assert_non_null(forward(a, text));
    snprintf(text, sizeof(text), "k=%s", repeat('v', 257, part));
    assert_null(forward(a, text));
}

static void a_long_tracestate_loses_long_members_first_then_the_last(void **state)
{
    (void)state;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(65536);
    char text[4096], expected[4096], v200[256], v100[256];
    repeat('x', 200, v200);
    repeat('y', 100, v100);
    snprintf(text, sizeof(text), "a=%s,b=%s,c=%s,d=%s", v100, v200, v100, v200);
    snprintf(expected, sizeof(expected), "a=%s,b=%s,c=%s", v100, v200, v100);
    assert_string_equal(forward(a, text), expected);
    snprintf(text, sizeof(text), "a=%s,b=%s,c=%s,d=%s,e=%s", v100, v100, v100, v100, v100);
    snprintf(expected, sizeof(expected), "a=%s,b=%s,c=%s,d=%s", v100, v100, v100, v100);
    assert_string_equal(forward(a, text), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_is_taken_or_ignored_whole),
        cmocka_unit_test(a_continued_trace_keeps_its_id_and_gets_a_new_parent),
        cmocka_unit_test(a_restarted_trace_is_valid_and_each_time_another),
        cmocka_unit_test(a_tracestate_is_passed_on_or_ignored_whole),
        cmocka_unit_test(a_tracestate_has_at_most_32_members_and_256_characters_a_part),
        cmocka_unit_test(a_long_tracestate_loses_long_members_first_then_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
