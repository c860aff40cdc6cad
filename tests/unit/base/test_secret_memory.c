#include "bridge/base/secret_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/keyring.h"
#include "bridge/base/secret.h"
#include "tests/support/memory_search.h"

#define SECRET_LEN 64

/* A secret that stands nowhere in memory but where it is written: made from a seed. */
static void write_secret(uint8_t seed, uint8_t mask, uint8_t ret[SECRET_LEN])
{
    for (size_t i = 0; i < SECRET_LEN; i++)
        ret[i] = (uint8_t)("0123456789abcdef"[(i * i * 7 + i * seed + seed) % 251 % 16] ^ mask);
}

static struct memory_finds finds_of(uint8_t seed)
{
    uint8_t masked[SECRET_LEN];
    struct memory_finds finds;
    write_secret(seed, MEMORY_SEARCH_MASK, masked);
    assert_true(memory_search(masked, sizeof(masked), &finds));
    return finds;
}

static struct secret *new_secret(uint8_t seed)
{
    uint8_t text[SECRET_LEN];
    struct secret *secret = NULL;
    write_secret(seed, 0, text);
    assert_int_equal(secret_new(bytes_of(text, sizeof(text)), &secret, NULL), STATUS_OK);
    crypto_wipe(text, sizeof(text));
    return secret;
}

/* A file with what write_secret() makes behind a prefix; the page cache is none of this memory. */
static void write_file(const char *path, const char *prefix, uint8_t seed)
{
    uint8_t text[SECRET_LEN];
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    setbuf(file, NULL);
    fputs(prefix, file);
    write_secret(seed, 0, text);
    assert_int_equal(fwrite(text, 1, sizeof(text), file), sizeof(text));
    crypto_wipe(text, sizeof(text));
    fclose(file);
}

static const char path[] = "secret_memory.secret";

static void the_search_finds_what_lies_in_the_heap(void **state)
{
    (void)state;
    uint8_t *copy = malloc(SECRET_LEN);
    write_secret(1, 0, copy);
    assert_int_equal(finds_of(1).elsewhere, 1);
    crypto_wipe(copy, SECRET_LEN);
    assert_int_equal(finds_of(1).elsewhere, 0);
    free(copy);
}

static void a_secret_is_only_where_no_swap_and_no_dump_finds_it(void **state)
{
    (void)state;
    struct secret *secret = new_secret(2);
    const struct hmac_key *key;
    uint8_t mac[CRYPTO_SHA256_SIZE];
    assert_int_equal(secret_hmac_key(secret, &key), STATUS_OK);
    assert_int_equal(hmac_sha256(key, NULL, 0, mac), STATUS_OK);
    assert_int_equal(finds_of(2).kept, 1);
    assert_int_equal(finds_of(2).elsewhere, 0);
    secret_unref(secret);
    assert_int_equal(finds_of(2).kept, 0);
    assert_int_equal(finds_of(2).elsewhere, 0);
}

static void what_is_read_from_a_file_lies_there_only(void **state)
{
    (void)state;
    struct secret *secret = NULL;
    write_file(path, "", 3);
    assert_int_equal(secret_from_file(path, &secret, NULL), STATUS_OK);
    unlink(path);
    assert_int_equal(finds_of(3).kept, 1);
    assert_int_equal(finds_of(3).elsewhere, 0);
    secret_unref(secret);
    assert_int_equal(finds_of(3).kept, 0);
}

static void a_ring_of_keys_lies_there_only(void **state)
{
    (void)state;
    struct keyring *ring = NULL;
    write_file(path, "key:", 4);
    assert_int_equal(keyring_from_file(path, &ring, NULL), STATUS_OK);
    unlink(path);
    uint8_t masked[KEYRING_KEY_SIZE];
    for (size_t i = 0; i < sizeof(masked); i++)
        masked[i] = keyring_key(ring, 0)[i] ^ MEMORY_SEARCH_MASK;
    struct memory_finds finds;
    assert_true(memory_search(masked, sizeof(masked), &finds));
    assert_int_equal(finds.kept, 1);
    assert_int_equal(finds.elsewhere, 0);
    assert_int_equal(finds_of(4).kept + finds_of(4).elsewhere, 0); /* nor its digits, as read */
    keyring_unref(ring);
    assert_true(memory_search(masked, sizeof(masked), &finds));
    assert_int_equal(finds.kept + finds.elsewhere, 0);
}

static void a_child_of_fork_has_no_secret(void **state)
{
    (void)state;
    struct secret *secret = new_secret(5);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct memory_finds finds = finds_of(5);
        _exit(finds.kept + finds.elsewhere == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(finds_of(5).kept, 1);
    secret_unref(secret);
}

static void blocks_of_any_length_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    enum { BLOCKS = 2000 };
    static uint8_t *blocks[BLOCKS];
    for (size_t turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t len = 1 + i * 37 % 5000;
            blocks[i] = secret_memory_alloc(len);
            assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
            for (size_t at = 0; at < len; at++)
                assert_int_equal(blocks[i][at], 0);
            memset(blocks[i], (int)(i % 255 + 1), len);
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t len = 1 + i * 37 % 5000;
            assert_int_equal(blocks[i][0], i % 255 + 1);
            assert_int_equal(blocks[i][len - 1], i % 255 + 1);
            secret_memory_free(blocks[i], len);
        }
    }
}

static void what_finds_no_room_lies_in_the_heap_and_is_wiped_too(void **state)
{
    (void)state;
    enum { LEN = 65536, BLOCKS = SECRET_MEMORY_SIZE / LEN };
    static void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++)
        assert_non_null(blocks[i] = secret_memory_alloc(LEN));
    struct secret *secrets[64];
    for (size_t i = 0; i < 64; i++) /* what was given back before is used first */
        secrets[i] = new_secret(6);
    uint8_t *large = secret_memory_alloc(SECRET_LEN + (LEN * 2));
    write_secret(7, 0, large);
    assert_int_equal(finds_of(6).kept + finds_of(6).elsewhere, 64);
    assert_int_equal(finds_of(7).elsewhere, 1);
    for (size_t i = 0; i < 64; i++)
        secret_unref(secrets[i]);
    secret_memory_free(large, SECRET_LEN + (LEN * 2));
    assert_int_equal(finds_of(6).elsewhere, 0);
    assert_int_equal(finds_of(7).elsewhere, 0);
    for (size_t i = 0; i < BLOCKS; i++)
        secret_memory_free(blocks[i], LEN);
}

/* In a process of its own, which has not started and may lock no more than `limit`. */
static size_t locked_within(rlim_t limit)
{
    int fds[2];
    size_t locked = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit memlock = {limit, limit};
        bool is_well = setrlimit(RLIMIT_MEMLOCK, &memlock) == 0 &&
                       (geteuid() != 0 || setuid(65534) == 0) && /* root may lock any amount */
                       secret_memory_start(&locked) == STATUS_OK &&
                       secret_memory_alloc(100) != NULL &&
                       write(fds[1], &locked, sizeof(locked)) == sizeof(locked);
        _exit(is_well ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(fds[0], &locked, sizeof(locked)), sizeof(locked));
    close(fds[0]);
    close(fds[1]);
    return locked;
}

static void as_much_is_locked_as_the_process_may(void **state)
{
    (void)state;
    const rlim_t page = (rlim_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(locked_within(0), 0);
    assert_int_equal(locked_within(page), page);
    assert_int_equal(locked_within(65536 + 4096), 65536);
}

static int start(void **state)
{
    (void)state;
    size_t locked = 0, again = 0;
    assert_int_equal(crypto_start(), STATUS_OK);
    assert_int_equal(secret_memory_start(&locked), STATUS_OK);
    assert_int_equal(secret_memory_start(&again), STATUS_OK);
    assert_int_equal(again, locked);
    return 0;
}

int main(void)
{
    const struct CMUnitTest before[] = {
        cmocka_unit_test(as_much_is_locked_as_the_process_may),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_finds_what_lies_in_the_heap),
        cmocka_unit_test(a_secret_is_only_where_no_swap_and_no_dump_finds_it),
        cmocka_unit_test(what_is_read_from_a_file_lies_there_only),
        cmocka_unit_test(a_ring_of_keys_lies_there_only),
        cmocka_unit_test(a_child_of_fork_has_no_secret),
        cmocka_unit_test(blocks_of_any_length_are_zeroed_aligned_and_apart),
        cmocka_unit_test(what_finds_no_room_lies_in_the_heap_and_is_wiped_too),
    };
    int failed = cmocka_run_group_tests(before, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, start, NULL);
}
