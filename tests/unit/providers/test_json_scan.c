#include "bridge/providers/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "bridge/base/scoped.h"

DEFINE_CLEANUP(struct arena *, arena_free)

static enum json_verdict verdict_of(struct bytes text)
{
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(1 << 20);
    CLEANUP(json_scan_done) struct json_scan scan;
    json_scan_init(&scan, text, a);
    enum json_verdict verdict;
    struct bytes value;
    assert_int_equal(json_scan_value(&scan, &verdict, &value), STATUS_OK);
    bool is_whole = json_scan_peek(&scan) == -1;
    return is_whole ? verdict : JSON_MALFORMED;
}

/* What jansson makes of it; the caller has excluded what jansson refuses though it is JSON. */
static enum json_verdict verdict_of_jansson(struct bytes text)
{
    json_error_t error;
    json_t *json = json_loadb((const char *)text.data, text.len,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL |
                                  JSON_REJECT_DUPLICATES,
                              &error);
    if (json != NULL) {
        json_decref(json);
        return JSON_WELL_FORMED;
    }
    if (json_error_code(&error) == json_error_numeric_overflow)
        return verdict_of(text); /* it stopped there: it has no opinion */
    if (json_error_code(&error) != json_error_duplicate_key)
        return JSON_MALFORMED;
    json = json_loadb((const char *)text.data, text.len,
                      JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    bool is_json = json != NULL;
    json_decref(json);
    return is_json ? JSON_DUPLICATE_KEYS : JSON_MALFORMED;
}

/* Deterministic: a failure can be repeated. Source: Marsaglia, "Xorshift RNGs", 2003. */
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static const char *const pieces[] = {
    "{",      "}",        "[",
    "]",      ",",        ":",
    "\"",     "\"a\"",    "\"\\u0061\"",
    "\"b\"",  "\"\\\"\"", "1",
    "-",      "0",        ".",
    "e",      "e-",       "1.5",
    "true",   "fals",     "null",
    " ",      "\n",       "\\",
    "\\u",    "00e9",     "\xc3",
    "\xa9",   "\xff",     "\"\\n\"",
    "\"a\":", "1,",       "\"\\ud83d\\ude00\"",
    "\t",     "\x01",     "[]",
    "{}",     "\"b\":2",  "nul",
    "//",     "'",        "NaN",
    "+1",     "01",
};

static void random_texts_are_judged_as_jansson_judges_them(void **state)
{
    (void)state;
    uint32_t seed = 20260102;
    size_t verdicts[JSON_WELL_FORMED + 1] = {0};
    for (size_t i = 0; i < 200000; i++) {
        char text[256] = "";
        size_t len = 0;
        size_t pieces_len = 1 + next_random(&seed) % 9;
        for (size_t k = 0; k < pieces_len; k++) {
            const char *piece = pieces[next_random(&seed) % (sizeof(pieces) / sizeof(pieces[0]))];
            memcpy(text + len, piece, strlen(piece) + 1);
            len += strlen(piece);
        }
        struct bytes bytes = bytes_of(text, len);
        enum json_verdict ours = verdict_of(bytes), theirs = verdict_of_jansson(bytes);
        verdicts[ours]++;
        if (ours != theirs)
            fail_msg("%s: %d, jansson says %d", text, (int)ours, (int)theirs);
    }
    assert_true(verdicts[JSON_WELL_FORMED] > 1000);
}

/* Every text one byte away from a good one. */
static void each_single_byte_change_is_judged_as_jansson_judges_it(void **state)
{
    (void)state;
    static const char good[] =
        "{\"a\":[1.5e-3,-0,\"\\u00e9\\\\\xc3\xa9\",true,null,{}],\"b\" : {\"c\":[]}}";
    for (size_t at = 0; at < sizeof(good) - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[sizeof(good)];
            memcpy(text, good, sizeof(good));
            text[at] = (char)byte;
            struct bytes bytes = bytes_of(text, sizeof(good) - 1);
            if (verdict_of(bytes) != verdict_of_jansson(bytes))
                fail_msg("byte %zu as 0x%02x", at, byte);
        }
    }
}

static void json_that_jansson_refuses_is_json_all_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {"1e400",       "-1e999999",       "\"\\ud800\"",
                                        "\"\\udc00\"", "{\"\\u0000\":1}", "[1E+400]"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(verdict_of(bytes_of_text(texts[i])), JSON_WELL_FORMED);
        json_error_t error;
        assert_null(json_loads(texts[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, &error));
    }
}

static void keys_are_compared_by_what_they_spell(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum json_verdict verdict;
    } rows[] = {
        {"{\"a\":1,\"A\":2}", JSON_WELL_FORMED},
        {"{\"a\":1,\"\\u0061\":2}", JSON_DUPLICATE_KEYS},
        {"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", JSON_DUPLICATE_KEYS},
        {"{\"\\ud800\":1,\"\\ud801\":2}", JSON_WELL_FORMED},
        {"{\"/\":1,\"\\/\":2}", JSON_DUPLICATE_KEYS},
        {"{\"\\u0000\":1,\"\":2}", JSON_WELL_FORMED},
        {"{\"a\":{\"b\":1},\"c\":{\"b\":1},\"b\":1}", JSON_WELL_FORMED},
        {"[{\"a\":1},{\"a\":1}]", JSON_WELL_FORMED},
        {"{\"a\":1,\"b\":{\"a\":1},\"a\":2}", JSON_DUPLICATE_KEYS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (verdict_of(bytes_of_text(rows[i].text)) != rows[i].verdict)
            fail_msg("%s", rows[i].text);
}

/* A text is looked at eight bytes at a time. */
static void a_byte_in_a_string_counts_wherever_it_stands(void **state)
{
    (void)state;
    char text[] = "\"aaaaaaaaaaaaaaaaaaaaaaaaa\"";
    for (size_t at = 1; at + 2 < sizeof(text); at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            text[at] = (char)byte;
            struct bytes bytes = bytes_of(text, sizeof(text) - 1);
            if (verdict_of(bytes) != verdict_of_jansson(bytes))
                fail_msg("byte %zu as 0x%02x", at, byte);
        }
        text[at] = 'a';
    }
}

static void more_keys_than_a_few_are_compared_too(void **state)
{
    (void)state;
    for (unsigned twin = 0; twin < 40; twin++) {
        char text[512] = "{\"0\":0";
        size_t len = strlen(text);
        for (unsigned i = 1; i < 40; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"%u\":%u", i, i);
            snprintf(text + len, sizeof(text) - len, ",\"%u\":0}", twin);
            if (verdict_of(bytes_of_text(text)) !=
                (twin <= i ? JSON_DUPLICATE_KEYS : JSON_WELL_FORMED))
                fail_msg("%s", text);
        }
    }
}

static void assert_bytes(struct bytes bytes, const char *text)
{
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
}

static void the_members_of_the_value_are_told(void **state)
{
    (void)state;
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(1 << 20);
    CLEANUP(json_scan_done) struct json_scan scan;
    enum json_verdict verdict;
    struct bytes value;
    size_t len;
    json_scan_init(
        &scan,
        BYTES_LITERAL(" { \"a\\u0062\" : [ {\"x\":1} ] ,\"c\":{\"d\":{}} , \"\":-1 } [{}] {}"), a);
    assert_int_equal(json_scan_value(&scan, &verdict, &value), STATUS_OK);
    const struct json_named *named = json_scan_named(&scan, &len);
    assert_int_equal(len, 3);
    assert_bytes(named[0].name, "ab");
    assert_bytes(named[0].value, "[ {\"x\":1} ]");
    assert_bytes(named[0].whole, "\"a\\u0062\" : [ {\"x\":1} ]");
    assert_bytes(named[1].name, "c");
    assert_bytes(named[1].whole, "\"c\":{\"d\":{}}");
    assert_bytes(named[2].name, "");
    assert_bytes(named[2].value, "-1");
    for (size_t i = 0; i < 2; i++) { /* an array has none, nor has an empty object */
        assert_int_equal(json_scan_value(&scan, &verdict, &value), STATUS_OK);
        assert_int_equal(verdict, JSON_WELL_FORMED);
        json_scan_named(&scan, &len);
        assert_int_equal(len, 0);
    }
}

static void a_malformed_value_has_no_members(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"a\":1,\"b\"", "{\"a\":1,\"b\":", "{\"a\":1,\"b\":]",
                                        "{\"a\":1,"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CLEANUP(arena_free_scoped) struct arena *a = arena_new(1 << 20);
        CLEANUP(json_scan_done) struct json_scan scan;
        enum json_verdict verdict;
        struct bytes value;
        size_t len;
        json_scan_init(&scan, bytes_of_text(texts[i]), a);
        assert_int_equal(json_scan_value(&scan, &verdict, &value), STATUS_OK);
        assert_int_equal(verdict, JSON_MALFORMED);
        json_scan_named(&scan, &len);
        assert_int_equal(len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_are_judged_as_jansson_judges_them),
        cmocka_unit_test(each_single_byte_change_is_judged_as_jansson_judges_it),
        cmocka_unit_test(json_that_jansson_refuses_is_json_all_the_same),
        cmocka_unit_test(keys_are_compared_by_what_they_spell),
        cmocka_unit_test(a_byte_in_a_string_counts_wherever_it_stands),
        cmocka_unit_test(more_keys_than_a_few_are_compared_too),
        cmocka_unit_test(the_members_of_the_value_are_told),
        cmocka_unit_test(a_malformed_value_has_no_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
