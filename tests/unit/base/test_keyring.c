#include "bridge/base/keyring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "tests/support/alloc_fail.h"

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static struct keyring *parse(const char *text)
{
    struct keyring *k = NULL;
    struct diag diag = {0};
    if (keyring_parse(bytes_of_text(text), "keys", &k, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    return k;
}

static void the_first_key_writes_and_all_are_found(void **state)
{
    (void)state;
    struct keyring *k = parse("# since May\n2026-05:" HEX_A "\n2025-11:" HEX_B "\n");
    assert_int_equal(keyring_len(k), 2);
    assert_string_equal(keyring_name(k, 0), "2026-05");
    assert_string_equal(keyring_name(k, 1), "2025-11");
    assert_int_equal(keyring_key(k, 0)[1], 0x11);
    assert_int_equal(keyring_key(k, 1)[31], 0x00);
    assert_int_equal(keyring_key(k, 1)[0], 0xff);
    size_t found = 9;
    assert_true(keyring_find(k, BYTES_LITERAL("2025-11"), &found));
    assert_int_equal(found, 1);
    assert_false(keyring_find(k, BYTES_LITERAL("2025-1"), &found));
    assert_false(keyring_find(k, BYTES_LITERAL(""), &found));
    assert_int_equal(found, 1);
    keyring_unref(k);
}

static void the_key_is_the_bytes_that_the_digits_spell(void **state)
{
    (void)state;
    struct keyring *k = parse("a:" HEX_A);
    const struct bytes message = BYTES_LITERAL("what do ya want for nothing?");
    uint8_t mac[CRYPTO_SHA256_SIZE];
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    assert_int_equal(hmac_sha256(keyring_hmac_key(k, 0), &message, 1, mac), STATUS_OK);
    hex_encode(bytes_of(mac, sizeof(mac)), hex);
    /* made with Python's hmac and hashlib */
    assert_string_equal(hex, "f88728429bfc49fe0469e1c1680d4a0296fa44aec2669416a3bd4aede19edcdb");
    keyring_unref(k);
}

static void a_file_is_read_in_every_form_it_may_have(void **state)
{
    static const char *const rows[] = {
        "a:" HEX_A,                              /* without a newline at its end */
        "a:" HEX_A "\r\n",                       /* of Windows */
        "\n\n  a:" HEX_A " \t\n\n",              /* with blanks */
        "#a:" HEX_B "\na:" HEX_A " # the key\n", /* with comments */
        "a:00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\n", /* in capitals */
    };
    (void)state;
    struct keyring *expected = parse("a:" HEX_A "\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct keyring *k = parse(rows[i]);
        assert_int_equal(keyring_len(k), 1);
        assert_string_equal(keyring_name(k, 0), "a");
        assert_memory_equal(keyring_key(k, 0), keyring_key(expected, 0), KEYRING_KEY_SIZE);
        keyring_unref(k);
    }
    keyring_unref(expected);
}

#define LINE                                                                                       \
    "keys:%d: expected name:64 hex digits, the name 1 to 63 letters, digits, \".\", "              \
    "\"_\" and \"-\""
#define NAME_21 "aaaaaaaaaaaaaaaaaaaaa"

static void what_is_wrong_is_told_by_its_line_and_never_shown(void **state)
{
    static const struct {
        const char *text, *diag;
        int line;
    } rows[] = {
        {"", "keys: no key, expected a line name:64 hex digits", 0}, /* nothing */
        {"# a:" HEX_A "\n", "keys: no key, expected a line name:64 hex digits",
         0},                                                /* all comment */
        {HEX_A "\n", LINE, 1},                              /* no name */
        {":" HEX_A "\n", LINE, 1},                          /* an empty one */
        {"a:" HEX_A "\n\n-b:" HEX_B "\n", LINE, 3},         /* one that begins with "-" */
        {"a b:" HEX_A "\n", LINE, 1},                       /* a blank in it */
        {NAME_21 NAME_21 NAME_21 "a:" HEX_A "\n", LINE, 1}, /* one of 64 characters */
        {"a:\n", "keys:%d: expected 64 hex digits behind the name", 1},
        {"a:" HEX_A "0\n", "keys:%d: expected 64 hex digits behind the name", 1}, /* a digit more */
        {"a: " HEX_A "\n", "keys:%d: expected 64 hex digits behind the name", 1}, /* a blank */
        {"a:" HEX_A "\na:" HEX_B "\n", "keys:%d: expected a name that no line above has", 2},
        {"a:" HEX_A "\nb:" HEX_A "\n", "keys:%d: expected a key that no line above has", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct keyring *k = NULL;
        struct diag diag = {0};
        char expected[256];
        const char *at = strstr(rows[i].diag, "%d");
        if (at == NULL)
            snprintf(expected, sizeof(expected), "%s", rows[i].diag);
        else
            snprintf(expected, sizeof(expected), "%.*s%d%s", (int)(at - rows[i].diag), rows[i].diag,
                     rows[i].line, at + 2);
        assert_int_equal(keyring_parse(bytes_of_text(rows[i].text), "keys", &k, &diag),
                         STATUS_INVALID);
        assert_string_equal(diag.text, expected);
        assert_null(k);
    }
}

static void a_ring_holds_64_keys(void **state)
{
    (void)state;
    char text[66 * 80] = "";
    size_t len = 0;
    for (int i = 0; i < 64; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "k%d:%064x\n", i, i + 1);
    struct keyring *k = parse(text);
    assert_int_equal(keyring_len(k), 64);
    keyring_unref(k);
    snprintf(text + len, sizeof(text) - len, "k64:%064x\n", 65);
    struct diag diag = {0};
    assert_int_equal(keyring_parse(bytes_of_text(text), "keys", &k, &diag), STATUS_INVALID);
    assert_string_equal(diag.text, "keys:65: expected at most 64 keys");
}

static void the_ring_of_a_file_names_the_path(void **state)
{
    (void)state;
    char path[] = "keyring.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a:" HEX_A "\nb\n", 69), 69);
    close(fd);
    struct keyring *k = NULL;
    struct diag diag = {0};
    enum status status = keyring_from_file(path, &k, &diag);
    char expected[256];
    snprintf(
        expected, sizeof(expected),
        "%s:2: expected name:64 hex digits, the name 1 to 63 letters, digits, \".\", \"_\" and "
        "\"-\"",
        path);
    assert_int_equal(status, STATUS_INVALID);
    assert_string_equal(diag.text, expected);

    assert_int_equal(truncate(path, 67), 0);
    assert_int_equal(keyring_from_file(path, &k, NULL), STATUS_OK);
    assert_int_equal(keyring_len(k), 1);
    keyring_unref(k);
    k = NULL;
    unlink(path);
    diag = (struct diag){0};
    assert_int_equal(keyring_from_file(path, &k, &diag), STATUS_INVALID);
    snprintf(expected, sizeof(expected), "%s: No such file or directory", path);
    assert_string_equal(diag.text, expected);
    assert_null(k);
}

static void a_ring_is_whole_or_not_there(void **state)
{
    (void)state;
    bool failed = true;
    long n = 0;
    for (; failed; n++) {
        struct keyring *k = NULL;
        alloc_fail_at(n);
        enum status status =
            keyring_parse(BYTES_LITERAL("a:" HEX_A "\nb:" HEX_B "\n"), "keys", &k, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(k == NULL, failed);
        keyring_unref(k);
    }
    assert_int_equal(n, 4); /* the ring and two keys, and the time that all went well */
}

static void a_reference_keeps_the_keys(void **state)
{
    (void)state;
    struct keyring *k = parse("a:" HEX_A);
    struct keyring *other = keyring_ref(k);
    assert_ptr_equal(other, k);
    keyring_unref(k);
    assert_int_equal(keyring_key(other, 0)[1], 0x11);
    keyring_unref(other);
    keyring_unref(NULL);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() != STATUS_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_key_writes_and_all_are_found),
        cmocka_unit_test(the_key_is_the_bytes_that_the_digits_spell),
        cmocka_unit_test(a_file_is_read_in_every_form_it_may_have),
        cmocka_unit_test(what_is_wrong_is_told_by_its_line_and_never_shown),
        cmocka_unit_test(a_ring_holds_64_keys),
        cmocka_unit_test(the_ring_of_a_file_names_the_path),
        cmocka_unit_test(a_ring_is_whole_or_not_there),
        cmocka_unit_test(a_reference_keeps_the_keys),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
