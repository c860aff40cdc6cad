/* Every allocation of a constructor fails once: it says so, and neither leaks nor hands out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/arena.h"
#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "tests/support/alloc_fail.h"

static void an_arena_without_memory_hands_out_nothing(void **state)
{
    (void)state;
    bool failed = true;
    long n = 0;
    for (; failed; n++) {
        alloc_fail_at(n);
        struct arena *a = arena_new(100000);
        bool whole = a != NULL && arena_alloc(a, 10) != NULL && arena_alloc(a, 5000) != NULL &&
                     arena_dup(a, BYTES_LITERAL("abc")) != NULL &&
                     arena_printf(a, "%050000d", 1) != NULL;
        failed = alloc_fail_end();
        assert_int_equal(whole, !failed);
        arena_free(a);
    }
    assert_true(n > 2); /* its chunks; the arena itself may be one that was kept */
}

static void a_buffer_without_memory_keeps_what_it_has(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        CLEANUP(buf_done) struct buf b;
        buf_init(&b, 100000);
        alloc_fail_at(n);
        buf_append_text(&b, "one ");
        buf_printf(&b, "%d ", 2);
        buf_append_text(&b, "three");
        failed = alloc_fail_end();
        assert_int_equal(b.status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_memory_equal("one 2 three", buf_text(&b), b.len);
        assert_int_equal(buf_text(&b)[b.len], '\0');
        assert_true(failed || b.len == 11);
    }
}

static void a_key_or_a_secret_is_whole_or_not_there(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct hmac_key *key = NULL;
        alloc_fail_at(n);
        enum status status = hmac_key_new(BYTES_LITERAL("abc"), &key);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(key == NULL, failed);
        hmac_key_free(key);
    }
    failed = true;
    for (long n = 0; failed; n++) {
        struct secret *s = NULL;
        alloc_fail_at(n);
        enum status status = secret_new(BYTES_LITERAL("abc"), &s, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(s == NULL, failed);
        secret_unref(s);
    }
    struct secret *s;
    assert_int_equal(secret_new(BYTES_LITERAL("abc"), &s, NULL), STATUS_OK);
    failed = true;
    for (long n = 0; failed; n++) {
        const struct hmac_key *key = NULL;
        alloc_fail_at(n);
        enum status status = secret_hmac_key(s, &key);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(key == NULL, failed);
    }
    secret_unref(s);
}

static void a_secret_file_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct secret *s = NULL;
        alloc_fail_at(n);
        enum status status = secret_from_file("/proc/sys/kernel/ostype", &s, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(s == NULL, failed);
        assert_true(failed || bytes_equal(secret_bytes(s), BYTES_LITERAL("Linux")));
        secret_unref(s);
    }
}

static int start(void **state)
{
    (void)state;
    return crypto_start() != STATUS_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_without_memory_hands_out_nothing),
        cmocka_unit_test(a_buffer_without_memory_keeps_what_it_has),
        cmocka_unit_test(a_key_or_a_secret_is_whole_or_not_there),
        cmocka_unit_test(a_secret_file_is_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
