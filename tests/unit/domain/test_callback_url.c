#include "bridge/domain/callback_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define A_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B_64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C_64 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static struct keyring *a, *b, *b_then_a;

/* The tokens are made with Python's hmac, hashlib and base64. */
static const struct {
    const char *specification;
    int64_t generation_unix_ms;
    const char *key, *token_of_a, *token_of_b;
} rows[] = {
    {"maesn/acme-42/journal-entry/created", 1795293215356,
     "/in/maesn/acme-42/journal-entry/created/1795293215356", "dqc5tm4dtgp6eo3lcdmttjrk4a",
     "zec662qajgaxgmafpfk3xjlh3y"},
    {"moneybird/a/all/all", 1, "/in/moneybird/a/all/all/1", "p6qivrzmqon6tf3eiqnhehil5a",
     "o3nfjluz7e7w5f4o32paqakpqm"},
    {"maesn/" A_63 "/" B_64 "/" C_64, 99999999999999,
     "/in/maesn/" A_63 "/" B_64 "/" C_64 "/99999999999999", "sthyz6hqeg53rokd2dmj4x2jbe",
     "4v64y6igap2zeagbawpyvnlm5y"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct callback_url url_of_row(size_t i)
{
    struct callback_url u = {.generation_unix_ms = rows[i].generation_unix_ms};
    assert_true(specification_parse(bytes_of_text(rows[i].specification), &u.specification));
    return u;
}

static void a_path_is_the_key_and_a_token_of_the_first_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct callback_url u = url_of_row(i);
        char key[CALLBACK_URL_KEY_SIZE], path[CALLBACK_URL_PATH_SIZE], expected[512];
        callback_url_key(&u, key);
        assert_string_equal(key, rows[i].key);
        assert_int_equal(callback_url_path(&u, a, path), STATUS_OK);
        snprintf(expected, sizeof(expected), "%s-%s", rows[i].key, rows[i].token_of_a);
        assert_string_equal(path, expected);
        assert_int_equal(callback_url_path(&u, b_then_a, path), STATUS_OK);
        snprintf(expected, sizeof(expected), "%s-%s", rows[i].key, rows[i].token_of_b);
        assert_string_equal(path, expected);

        struct callback_url read;
        assert_true(callback_url_read_key(bytes_of_text(key), &read));
        assert_true(specification_equal(&read.specification, &u.specification));
        assert_int_equal(read.generation_unix_ms, u.generation_unix_ms);
    }
}

static void only_a_routes_own_key_is_read(void **state)
{
    static const char *const others[] = {
        "",
        "/in/",
        "/in/maesn",
        "/account/acme-42",
        "in/maesn/a/invoice/all/1",  /* no slash before */
        "/IN/maesn/a/invoice/all/1", /* capitals */
        "//in/maesn/a/invoice/all/1",
        "/in/maesn/a/invoice/all",    /* no generation */
        "/in/maesn/a/invoice/all/",   /* an empty one */
        "/in/maesn/a/invoice/all/0",  /* nought */
        "/in/maesn/a/invoice/all/01", /* another form of 1 */
        "/in/maesn/a/invoice/all/+1",
        "/in/maesn/a/invoice/all/-1",
        "/in/maesn/a/invoice/all/1x",
        "/in/maesn/a/invoice/all/1 ",
        "/in/maesn/a/invoice/all/100000000000000", /* 15 digits */
        "/in/maesn/a/invoice/all/x/1",
        "/in/maesn/a/invoice/1",
        "/in/maesn/a/Invoice/all/1",
    };
    (void)state;
    struct callback_url u;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(callback_url_read_key(bytes_of_text(others[i]), &u));
    assert_false(callback_url_read_key(BYTES_LITERAL("/in/maesn/a/invoice/all/1\0"), &u));
    assert_false(callback_url_read_key(bytes_of(NULL, 0), &u));
    assert_true(callback_url_read_key(BYTES_LITERAL("/in/maesn/a/invoice/all/1"), &u));
}

static struct callback_url_match match_path(const char *path, const struct keyring *keys)
{
    struct callback_url_match m;
    assert_int_equal(callback_url_match_path(path, keys, &m), STATUS_OK);
    return m;
}

static void a_path_of_any_key_of_the_ring_is_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct callback_url u = url_of_row(i);
        char path[CALLBACK_URL_PATH_SIZE];
        assert_int_equal(callback_url_path(&u, a, path), STATUS_OK);
        const struct callback_url_match m = match_path(path, b_then_a);
        assert_true(m.ours);
        assert_int_equal(m.key, 1);
        assert_true(callback_url_is_former(&m)); /* the ring writes with b */
        assert_true(specification_equal(&m.url.specification, &u.specification));
        assert_int_equal(m.url.generation_unix_ms, u.generation_unix_ms);
        const struct callback_url_match present = match_path(path, a);
        assert_true(present.ours && !callback_url_is_former(&present));
        assert_false(match_path(path, b).ours); /* the key is gone */
    }
}

/* Each bit of each character, and each character taken away or put in. */
static void a_path_with_one_character_changed_is_foreign(void **state)
{
    (void)state;
    const struct callback_url u = url_of_row(0);
    char path[CALLBACK_URL_PATH_SIZE + 1];
    assert_int_equal(callback_url_path(&u, a, path), STATUS_OK);
    size_t len = strlen(path);
    for (size_t bit = 0; bit < len * 8; bit++) {
        char other[CALLBACK_URL_PATH_SIZE];
        memcpy(other, path, len + 1);
        other[bit / 8] = (char)(other[bit / 8] ^ 1 << bit % 8);
        assert_false(match_path(other, b_then_a).ours);
    }
    for (size_t at = 0; at <= len; at++) {
        char other[CALLBACK_URL_PATH_SIZE + 1];
        snprintf(other, sizeof(other), "%.*s-%s", (int)at, path, path + at);
        assert_false(match_path(other, b_then_a).ours);
        if (at == len)
            break;
        snprintf(other, sizeof(other), "%.*s%s", (int)at, path, path + at + 1);
        assert_false(match_path(other, b_then_a).ours);
    }
    assert_false(match_path("", a).ours);
    assert_false(match_path("-", a).ours);
    assert_false(match_path("/in/maesn/acme-42/by-hand", a).ours);
    assert_false(match_path("-dqc5tm4dtgp6eo3lcdmttjrk4a", a).ours);
    assert_false(match_path(A_63 B_64 C_64 A_63 B_64 C_64, a).ours);
}

#define PATH "/in/maesn/acme-42/journal-entry/created/1795293215356-dqc5tm4dtgp6eo3lcdmttjrk4a"

static void a_url_is_ours_under_any_of_the_base_urls(void **state)
{
    static const char *const bases[] = {"https://hooks.example.com",
                                        "https://old.example.com:443/a", "http://127.0.0.1:8080",
                                        "https://old.example.com"};
    static const struct {
        const char *url;
        bool ours;
        size_t base;
    } urls[] = {
        {"https://hooks.example.com" PATH, true, 0},
        {"HTTPS://Hooks.Example.Com" PATH, true, 0},     /* scheme and host have no case */
        {"https://hooks.example.com:443" PATH, true, 0}, /* the port that it has anyhow */
        {"https://old.example.com/a" PATH, true, 1},
        {"https://old.example.com" PATH, true, 3}, /* begins like another */
        {"http://127.0.0.1:8080" PATH, true, 2},
        {"http://hooks.example.com" PATH, false, 0},       /* another scheme */
        {"https://hooks.example.com:8443" PATH, false, 0}, /* another port */
        {"https://hooks.example.com:80" PATH, false, 0},   /* the port of http */
        {"https://hooks.example.com.evil.net" PATH, false, 0},
        {"https://evil.net/https://hooks.example.com" PATH, false, 0},
        {"https://hooks.example.com@evil.net" PATH, false, 0},
        {"https://old.example.com/A" PATH, false, 0}, /* a path has case */
        {"https://old.example.com/ab" PATH, false, 0},
        {"https://hooks.example.com/" PATH, false, 0}, /* two slashes */
        {"https://hooks.example.com" PATH "?x=1", false, 0},
        {"https://hooks.example.com" PATH "/", false, 0},
        {"https://hooks.example.com", false, 0},
        {"https://", false, 0},
        {"://", false, 0},
        {"", false, 0},
        {PATH, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct callback_url_match m;
        assert_int_equal(callback_url_match(urls[i].url, bases, 4, a, &m), STATUS_OK);
        assert_int_equal(m.ours, urls[i].ours);
        assert_int_equal(m.base, urls[i].base);
        assert_int_equal(m.ours && callback_url_is_former(&m), urls[i].base != 0);
    }
}

static void a_url_is_the_base_and_the_path(void **state)
{
    (void)state;
    const struct callback_url u = url_of_row(0);
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 256);
    assert_int_equal(callback_url_text(&u, "https://hooks.example.com/x", a, &text), STATUS_OK);
    assert_string_equal(buf_text(&text), "https://hooks.example.com/x" PATH);
    assert_int_equal(callback_url_text(&u, A_63 A_63 A_63 A_63, a, &text), STATUS_INVALID);
}

static int start(void **state)
{
    (void)state;
    if (crypto_start() != STATUS_OK)
        return 1;
    return keyring_parse(BYTES_LITERAL("a:" HEX_A), "a", &a, NULL) != STATUS_OK ||
           keyring_parse(BYTES_LITERAL("b:" HEX_B), "b", &b, NULL) != STATUS_OK ||
           keyring_parse(BYTES_LITERAL("b:" HEX_B "\na:" HEX_A), "b, a", &b_then_a, NULL) !=
               STATUS_OK;
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
        cmocka_unit_test(a_path_is_the_key_and_a_token_of_the_first_key),
        cmocka_unit_test(only_a_routes_own_key_is_read),
        cmocka_unit_test(a_path_of_any_key_of_the_ring_is_ours),
        cmocka_unit_test(a_path_with_one_character_changed_is_foreign),
        cmocka_unit_test(a_url_is_ours_under_any_of_the_base_urls),
        cmocka_unit_test(a_url_is_the_base_and_the_path),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
