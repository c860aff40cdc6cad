#include "bridge/base/secret.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"

static char path[64];

static void put(const char *content, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), len);
    close(fd);
}

static int start(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/bridge-secret-%d", (int)getpid());
    return crypto_start() != STATUS_OK;
}

static int stop(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void one_newline_at_the_end_of_a_file_is_not_part_of_the_secret(void **state)
{
    static const struct {
        struct bytes content, secret;
    } rows[] = {
        {BYTES_LITERAL("abc"), BYTES_LITERAL("abc")},
        {BYTES_LITERAL("abc\n"), BYTES_LITERAL("abc")},
        {BYTES_LITERAL("abc\r\n"), BYTES_LITERAL("abc")},
        {BYTES_LITERAL("abc\n\n"), BYTES_LITERAL("abc\n")},
        {BYTES_LITERAL("abc\r"), BYTES_LITERAL("abc\r")},   /* no newline of any system's */
        {BYTES_LITERAL(" abc \n"), BYTES_LITERAL(" abc ")}, /* spaces may be meant */
        {BYTES_LITERAL("a\0b\n"), BYTES_LITERAL("a\0b")},
        {BYTES_LITERAL("a\nb"), BYTES_LITERAL("a\nb")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct secret *s;
        put((const char *)rows[i].content.data, rows[i].content.len);
        assert_int_equal(secret_from_file(path, &s, NULL), STATUS_OK);
        assert_true(bytes_equal(secret_bytes(s), rows[i].secret));
        secret_unref(s);
    }
}

static void a_file_without_a_secret_is_named_and_its_content_is_not(void **state)
{
    static const struct {
        size_t len; /* of a content of newlines */
        const char *message;
    } rows[] = {
        {0, "the secret is empty"},
        {1, "the secret is empty"},
        {SECRET_MAX + 2, "the secret is longer than 4096 bytes"},
        {SECRET_MAX + 3, "larger than 4098 bytes"},
    };
    static char content[SECRET_MAX + 3];
    memset(content, '\n', sizeof(content));
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct secret *s = NULL;
        struct diag diag = {0};
        char message[256];
        put(content, rows[i].len);
        snprintf(message, sizeof(message), "%s: %s", path, rows[i].message);
        assert_int_equal(secret_from_file(path, &s, &diag), STATUS_INVALID);
        assert_string_equal(diag.text, message);
        assert_null(s);
    }
}

static void the_longest_secret_is_taken(void **state)
{
    static uint8_t text[SECRET_MAX + 1];
    (void)state;
    struct secret *s = NULL;
    assert_int_equal(secret_new(bytes_of(text, SECRET_MAX + 1), &s, NULL), STATUS_INVALID);
    assert_int_equal(secret_new(bytes_of(text, SECRET_MAX), &s, NULL), STATUS_OK);
    secret_unref(s);
}

static void the_text_is_the_key(void **state)
{
    (void)state;
    struct secret *s;
    assert_int_equal(secret_new(BYTES_LITERAL("Jefe"), &s, NULL), STATUS_OK);
    const struct bytes message = BYTES_LITERAL("what do ya want for nothing?");
    uint8_t mac[CRYPTO_SHA256_SIZE], expected[CRYPTO_SHA256_SIZE];
    const struct hmac_key *key, *again;
    assert_int_equal(secret_hmac_key(s, &key), STATUS_OK);
    assert_int_equal(hmac_sha256(key, &message, 1, mac), STATUS_OK);
    assert_int_equal(secret_hmac_key(s, &again), STATUS_OK);
    assert_ptr_equal(key, again); /* made once */
    assert_true(hex_decode(
        BYTES_LITERAL("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"), expected,
        sizeof(expected))); /* RFC 4231 section 4.3 */
    assert_memory_equal(mac, expected, sizeof(mac));
    secret_unref(s);
}

static void it_lives_as_long_as_somebody_holds_it(void **state)
{
    (void)state;
    struct secret *s;
    assert_int_equal(secret_new(BYTES_LITERAL("abc"), &s, NULL), STATUS_OK);
    struct secret *other = secret_ref(s);
    secret_unref(s);
    assert_true(bytes_equal(secret_bytes(other), BYTES_LITERAL("abc")));
    secret_unref(other);
    secret_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_newline_at_the_end_of_a_file_is_not_part_of_the_secret),
        cmocka_unit_test(a_file_without_a_secret_is_named_and_its_content_is_not),
        cmocka_unit_test(the_longest_secret_is_taken),
        cmocka_unit_test(the_text_is_the_key),
        cmocka_unit_test(it_lives_as_long_as_somebody_holds_it),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
