#include "bridge/registry/sealed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/openssl_alloc.h"

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static const char topic[] = "maesn.bridge.registry";
static const struct bytes key = BYTES_LITERAL("/account/acme-42");
static const struct bytes plaintext = BYTES_LITERAL("{\"version\":1}");

/* Made with Python's cryptography 48.0.0 from the header's description: topic, key and plaintext as
 * above, key A under the name 2026-05, the nonce 00 01 ... 0b. */
static const char sealed_hex[] = "0107323032362d3035000102030405060708090a0b6d3ac353323aa4d9a71955c"
                                 "d4c79787e3fc2c619a48207aa0a46c26"
                                 "1db";
#define SEALED_LEN (2 + 7 + 12 + 13 + 16)

static struct keyring *a;        /* 2026-05 */
static struct keyring *b_then_a; /* 2026-06, 2026-05 */
static struct keyring *b;        /* 2026-06 */
static struct keyring *renamed;  /* key B under the name 2026-05 */

DEFINE_CLEANUP(struct keyring *, keyring_unref)

static bool has_random = true;

/* The names that ld's --wrap gives. */
enum status __real_crypto_random(uint8_t *ret, size_t len);
enum status __wrap_crypto_random(uint8_t *ret, size_t len);

enum status __wrap_crypto_random(uint8_t *ret, size_t len)
{
    return has_random ? __real_crypto_random(ret, len) : STATUS_INTERNAL;
}

static void unseal_sample(uint8_t ret[SEALED_LEN])
{
    assert_true(hex_decode(bytes_of_text(sealed_hex), ret, SEALED_LEN));
}

static enum status open_with(const struct keyring *k, const char *in_topic, struct bytes under,
                             struct bytes value, struct diag *diag)
{
    CLEANUP(buf_wipe_done) struct buf text;
    buf_init(&text, SEALED_PLAINTEXT_MAX);
    buf_append_text(&text, "before ");
    enum status status = sealed_open(k, in_topic, under, value, &text, diag);
    assert_int_equal(text.len, status == STATUS_OK ? 7 + plaintext.len : 7);
    assert_memory_equal(buf_text(&text), "before {\"version\":1}", text.len);
    assert_int_equal(buf_text(&text)[text.len], '\0');
    return status;
}

static void a_record_that_others_sealed_is_opened(void **state)
{
    (void)state;
    uint8_t sealed[SEALED_LEN];
    unseal_sample(sealed);
    struct bytes value = bytes_of(sealed, SEALED_LEN);
    assert_int_equal(open_with(a, topic, key, value, NULL), STATUS_OK);
    assert_int_equal(open_with(b_then_a, topic, key, value, NULL), STATUS_OK);
    assert_true(bytes_equal(sealed_key_name(value), BYTES_LITERAL("2026-05")));
}

static void what_was_sealed_is_opened_until_its_key_leaves_the_ring(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf value;
    buf_init(&value, SEALED_MAX);
    assert_int_equal(sealed_seal(a, topic, key, plaintext, &value), STATUS_OK);
    assert_int_equal(value.len, SEALED_LEN);
    assert_int_equal(open_with(a, topic, key, buf_bytes(&value), NULL), STATUS_OK);
    assert_int_equal(open_with(b_then_a, topic, key, buf_bytes(&value), NULL), STATUS_OK);
    struct diag diag = {0};
    assert_int_equal(open_with(b, topic, key, buf_bytes(&value), &diag), STATUS_UNAUTHENTIC);
    assert_string_equal(diag.text, "it is sealed under a key that the keyring has not");

    CLEANUP(buf_done)
    struct buf resealed; /* under the first key of the ring, in a place of its own */
    buf_init(&resealed, SEALED_MAX);
    assert_int_equal(sealed_seal(b_then_a, topic, key, plaintext, &resealed), STATUS_OK);
    assert_true(bytes_equal(sealed_key_name(buf_bytes(&resealed)), BYTES_LITERAL("2026-06")));
    assert_int_equal(open_with(b, topic, key, buf_bytes(&resealed), NULL), STATUS_OK);
    assert_int_equal(open_with(a, topic, key, buf_bytes(&resealed), NULL), STATUS_UNAUTHENTIC);
}

static void sealing_twice_gives_two_values(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf values;
    buf_init(&values, SEALED_MAX);
    assert_int_equal(sealed_seal(a, topic, key, plaintext, &values), STATUS_OK);
    assert_int_equal(sealed_seal(a, topic, key, plaintext, &values), STATUS_OK);
    assert_int_equal(values.len, 2 * SEALED_LEN);
    assert_memory_equal(values.data, values.data + SEALED_LEN, 9); /* the key's name */
    assert_memory_not_equal(values.data + 9, values.data + SEALED_LEN + 9, SEALED_LEN - 9);
    struct bytes second = bytes_of(values.data + SEALED_LEN, SEALED_LEN);
    assert_int_equal(open_with(a, topic, key, second, NULL), STATUS_OK);
}

static void every_bit_counts(void **state)
{
    (void)state;
    uint8_t sealed[SEALED_LEN];
    unseal_sample(sealed);
    for (size_t bit = 0; bit < SEALED_LEN * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum status status = open_with(b_then_a, topic, key, bytes_of(sealed, SEALED_LEN), NULL);
        assert_true(status == STATUS_UNAUTHENTIC || (status == STATUS_INVALID && bit < 16));
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(open_with(a, topic, key, bytes_of(sealed, SEALED_LEN), NULL), STATUS_OK);
}

static void a_value_of_another_length_is_refused(void **state)
{
    (void)state;
    uint8_t sealed[SEALED_LEN + 1] = {0};
    unseal_sample(sealed);
    for (size_t len = 0; len <= sizeof(sealed); len++)
        if (len != SEALED_LEN)
            assert_int_not_equal(open_with(a, topic, key, bytes_of(sealed, len), NULL), STATUS_OK);
}

static void what_has_not_the_form_is_told_apart(void **state)
{
    static const struct {
        struct bytes value;
    } rows[] = {
        {{NULL, 0}},             /* nothing */
        {BYTES_LITERAL("\x01")}, /* no name */
        {BYTES_LITERAL("\x02\x01"
                       "a............................")},        /* another format */
        {BYTES_LITERAL("\x01\x00............................")}, /* an empty name */
        {BYTES_LITERAL("\x01\x40............................................"
                       "..................................................")}, /* one of 64 */
        {BYTES_LITERAL("\x01\x01"
                       "a...........................")}, /* a byte short */
        {BYTES_LITERAL("{\"version\":1,\"state\":\"active\",\"secret\":\"in clear\"}")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct diag diag = {0};
        assert_int_equal(open_with(a, topic, key, rows[i].value, &diag), STATUS_INVALID);
        assert_string_equal(diag.text, "not a sealed value of format 1");
        assert_null(sealed_key_name(rows[i].value).data);
        assert_int_equal(sealed_key_name(rows[i].value).len, 0);
    }
}

static void a_value_longer_than_any_sealed_one_is_none(void **state)
{
    (void)state;
    static const uint8_t large[SEALED_MAX + 1] = {1, 1, 'x'};
    assert_int_equal(open_with(a, topic, key, bytes_of(large, SEALED_MAX), NULL),
                     STATUS_UNAUTHENTIC); /* its key is not in the ring */
    assert_int_equal(open_with(a, topic, key, bytes_of(large, sizeof(large)), NULL),
                     STATUS_INVALID);
}

static void without_random_bytes_nothing_is_sealed(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf value;
    buf_init(&value, SEALED_MAX);
    has_random = false;
    enum status status = sealed_seal(a, topic, key, plaintext, &value);
    has_random = true;
    assert_int_equal(status, STATUS_INTERNAL);
    assert_int_equal(value.len, 0);
}

static void a_record_that_was_moved_is_refused(void **state)
{
    static const struct {
        const char *topic;
        struct bytes key;
    } rows[] = {
        {"maesn.bridge.registry", BYTES_LITERAL("/account/acme-43")}, /* under another key */
        {"maesn.bridge.registry", BYTES_LITERAL("/account/acme-4")},
        {"maesn.bridge.registry", BYTES_LITERAL("/account/acme-42\0")},
        {"maesn.bridge.registry", BYTES_LITERAL("")},
        {"maesn.bridge.accounts", BYTES_LITERAL("/account/acme-42")},   /* into another topic */
        {"maesn.bridge.registr", BYTES_LITERAL("y\0/account/acme-42")}, /* over the border */
    };
    (void)state;
    uint8_t sealed[SEALED_LEN];
    unseal_sample(sealed);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct diag diag = {0};
        assert_int_equal(
            open_with(a, rows[i].topic, rows[i].key, bytes_of(sealed, SEALED_LEN), &diag),
            STATUS_UNAUTHENTIC);
        assert_string_equal(diag.text,
                            "it was changed, or moved under another key or topic, or the "
                            "keyring's key 2026-05 is another");
    }
    assert_int_equal(open_with(renamed, topic, key, bytes_of(sealed, SEALED_LEN), NULL),
                     STATUS_UNAUTHENTIC);
}

static void what_does_not_fit_is_refused_and_leaves_no_trace(void **state)
{
    (void)state;
    static uint8_t large[SEALED_PLAINTEXT_MAX + 1];
    CLEANUP(buf_done) struct buf value;
    buf_init(&value, SEALED_MAX);
    assert_int_equal(sealed_seal(a, topic, key, bytes_of(large, sizeof(large)), &value),
                     STATUS_INVALID);
    assert_int_equal(value.len, 0);
    assert_int_equal(sealed_seal(a, topic, key, bytes_of(large, SEALED_PLAINTEXT_MAX), &value),
                     STATUS_OK);
    CLEANUP(buf_wipe_done) struct buf text;
    buf_init(&text, SEALED_PLAINTEXT_MAX);
    assert_int_equal(sealed_open(a, topic, key, buf_bytes(&value), &text, NULL), STATUS_OK);
    assert_int_equal(text.len, SEALED_PLAINTEXT_MAX);

    CLEANUP(buf_done) struct buf narrow;
    buf_init(&narrow, SEALED_LEN - 1);
    assert_int_equal(sealed_seal(a, topic, key, plaintext, &narrow), STATUS_INVALID);
    assert_int_equal(narrow.len, 0);
    CLEANUP(buf_wipe_done) struct buf short_text;
    buf_init(&short_text, SEALED_PLAINTEXT_MAX - 1);
    struct diag diag = {0};
    assert_int_equal(sealed_open(a, topic, key, buf_bytes(&value), &short_text, &diag),
                     STATUS_INVALID);
    assert_string_equal(diag.text, "it holds more than 65535 bytes");
}

static void what_does_not_fit_behind_others_is_refused(void **state)
{
    (void)state;
    uint8_t sealed[SEALED_LEN];
    unseal_sample(sealed);
    for (size_t room = 0; room < 2; room++) {
        CLEANUP(buf_done) struct buf value;
        buf_init(&value, 6 + SEALED_LEN + room);
        buf_append_text(&value, "others ");
        assert_int_equal(sealed_seal(a, topic, key, plaintext, &value),
                         room == 0 ? STATUS_INVALID : STATUS_OK);
        assert_int_equal(value.len, room == 0 ? 7 : 7 + SEALED_LEN);
        assert_int_equal(value.data[value.len], '\0');

        CLEANUP(buf_wipe_done) struct buf text;
        buf_init(&text, 6 + plaintext.len + room);
        buf_append_text(&text, "others ");
        struct diag diag = {0};
        assert_int_equal(sealed_open(a, topic, key, bytes_of(sealed, SEALED_LEN), &text, &diag),
                         room == 0 ? STATUS_INVALID : STATUS_OK);
        assert_string_equal(diag.text, room == 0 ? "it holds more than 12 bytes" : "");
    }
}

static void a_key_has_a_name_of_1_to_63_bytes(void **state)
{
    static const size_t lens[] = {1, KEYRING_NAME_MAX};
    static const uint8_t large[SEALED_PLAINTEXT_MAX];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(buf_done) struct buf ring, value;
        buf_init(&ring, 256);
        buf_init(&value, SEALED_MAX);
        for (size_t j = 0; j < lens[i]; j++)
            buf_append_text(&ring, "n");
        buf_append_text(&ring, ":" HEX_A);
        CLEANUP(keyring_unref_scoped) struct keyring *k = NULL;
        assert_int_equal(keyring_parse(buf_bytes(&ring), "it", &k, NULL), STATUS_OK);
        assert_int_equal(sealed_seal(k, topic, key, bytes_of(large, sizeof(large)), &value),
                         STATUS_OK);
        assert_int_equal(value.len, SEALED_MAX - KEYRING_NAME_MAX + lens[i]);
        CLEANUP(buf_wipe_done) struct buf text;
        buf_init(&text, sizeof(large));
        assert_int_equal(sealed_open(k, topic, key, buf_bytes(&value), &text, NULL), STATUS_OK);
        assert_int_equal(text.len, sizeof(large));
    }
}

static void short_memory_is_no_forgery(void **state)
{
    (void)state;
    uint8_t sealed[SEALED_LEN];
    unseal_sample(sealed);
    bool failed = true;
    for (long n = 0; failed; n++) {
        CLEANUP(buf_done) struct buf value;
        CLEANUP(buf_wipe_done) struct buf text;
        buf_init(&value, SEALED_MAX);
        buf_init(&text, SEALED_PLAINTEXT_MAX);
        alloc_fail_at(n);
        enum status status = sealed_seal(a, topic, key, plaintext, &value);
        if (status == STATUS_OK)
            status = sealed_open(a, topic, key, bytes_of(sealed, SEALED_LEN), &text, NULL);
        failed = alloc_fail_end();
        assert_true(value.len == 0 || value.len == SEALED_LEN);
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(text.len, failed ? 0 : plaintext.len);
    }
}

static int start(void **state)
{
    (void)state;
    if (!openssl_alloc_start() || crypto_start() != STATUS_OK)
        return 1;
    return keyring_parse(BYTES_LITERAL("2026-05:" HEX_A), "a", &a, NULL) != STATUS_OK ||
           keyring_parse(BYTES_LITERAL("2026-06:" HEX_B), "b", &b, NULL) != STATUS_OK ||
           keyring_parse(BYTES_LITERAL("2026-05:" HEX_B), "renamed", &renamed, NULL) != STATUS_OK ||
           keyring_parse(BYTES_LITERAL("2026-06:" HEX_B "\n2026-05:" HEX_A), "b, a", &b_then_a,
                         NULL) != STATUS_OK;
}

static int stop(void **state)
{
    (void)state;
    keyring_unref(a);
    keyring_unref(b);
    keyring_unref(renamed);
    keyring_unref(b_then_a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_others_sealed_is_opened),
        cmocka_unit_test(what_was_sealed_is_opened_until_its_key_leaves_the_ring),
        cmocka_unit_test(sealing_twice_gives_two_values),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(a_value_of_another_length_is_refused),
        cmocka_unit_test(what_has_not_the_form_is_told_apart),
        cmocka_unit_test(a_value_longer_than_any_sealed_one_is_none),
        cmocka_unit_test(without_random_bytes_nothing_is_sealed),
        cmocka_unit_test(a_record_that_was_moved_is_refused),
        cmocka_unit_test(what_does_not_fit_is_refused_and_leaves_no_trace),
        cmocka_unit_test(what_does_not_fit_behind_others_is_refused),
        cmocka_unit_test(a_key_has_a_name_of_1_to_63_bytes),
        cmocka_unit_test(short_memory_is_no_forgery),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
