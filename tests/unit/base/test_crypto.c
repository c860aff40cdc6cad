#include "bridge/base/crypto.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* 131 bytes 0xaa, of RFC 4231 section 4.7. */
#define AA_10 "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
#define AA_131 AA_10 AA_10 AA_10 AA_10 AA_10 AA_10 AA_10 AA_10 AA_10 AA_10 AA_10 AA_10 AA_10 "\xaa"
#define DD_10 "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
#define CD_10 "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"

static const struct {
    struct bytes key, data;
    const char *mac;
} hmac_rows[] = {
    /* RFC 4231 section 4.2: test case 1 */
    {{(const uint8_t *)"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
                       "\x0b\x0b",
      20},
     {(const uint8_t *)"Hi There", 8},
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    /* 4.3: a key shorter than the hash */
    {{(const uint8_t *)"Jefe", 4},
     {(const uint8_t *)"what do ya want for nothing?", 28},
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    /* 4.4: more than a block of key and data together */
    {{(const uint8_t *)AA_10 AA_10, 20},
     {(const uint8_t *)DD_10 DD_10 DD_10 DD_10 DD_10, 50},
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    /* 4.5 */
    {{(const uint8_t *)"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12"
                       "\x13\x14\x15\x16\x17\x18\x19",
      25},
     {(const uint8_t *)CD_10 CD_10 CD_10 CD_10 CD_10, 50},
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    /* 4.7: a key longer than a block */
    {{(const uint8_t *)AA_131, 131},
     {(const uint8_t *)"Test Using Larger Than Block-Size Key - Hash Key First", 54},
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    /* 4.8: and data longer than a block */
    {{(const uint8_t *)AA_131, 131},
     {(const uint8_t *)"This is a test using a larger than block-size key and a larger than "
                       "block-size data. The key needs to be hashed before being used by the HMAC "
                       "algorithm.",
      152},
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    /* an empty key and message; made with `openssl dgst -sha256 -hmac ""` */
    {{(const uint8_t *)"", 0},
     {(const uint8_t *)"", 0},
     "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static void assert_hex(const uint8_t hash[CRYPTO_SHA256_SIZE], const char *expected)
{
    char text[2 * CRYPTO_SHA256_SIZE + 1];
    hex_encode(bytes_of(hash, CRYPTO_SHA256_SIZE), text);
    assert_string_equal(text, expected);
}

static void hmac_agrees_with_rfc_4231_however_the_message_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(hmac_rows) / sizeof(hmac_rows[0]); i++) {
        struct hmac_key *key;
        assert_int_equal(hmac_key_new(hmac_rows[i].key, &key), STATUS_OK);
        struct bytes data = hmac_rows[i].data;
        for (size_t cut = 0; cut <= data.len; cut++) {
            const struct bytes parts[] = {
                {data.data, cut}, {NULL, 0}, {data.data + cut, data.len - cut}};
            uint8_t mac[CRYPTO_SHA256_SIZE];
            assert_int_equal(hmac_sha256(key, parts, 3, mac), STATUS_OK);
            assert_hex(mac, hmac_rows[i].mac);
        }
        hmac_key_free(key);
    }
}

#define THREADS 4

static void *sign(void *ctx)
{
    const struct bytes part = hmac_rows[1].data;
    for (int i = 0; i < 2000; i++) {
        uint8_t mac[CRYPTO_SHA256_SIZE], expected[CRYPTO_SHA256_SIZE];
        if (hmac_sha256(ctx, &part, 1, mac) != STATUS_OK ||
            !hex_decode(bytes_of_text(hmac_rows[1].mac), expected, sizeof(expected)) ||
            memcmp(mac, expected, sizeof(mac)) != 0)
            return ctx; /* not NULL: it went wrong */
    }
    return NULL;
}

static void one_key_serves_many_threads(void **state)
{
    (void)state;
    struct hmac_key *key;
    assert_int_equal(hmac_key_new(hmac_rows[1].key, &key), STATUS_OK);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sign, key), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    hmac_key_free(key);
}

static void sha256_agrees_with_nist(void **state)
{
    static const struct {
        const char *text, *hash;
    } rows[] = {
        /* FIPS 180 example values */
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        /* CAVP, SHA256ShortMsg.rsp, Len = 0 */
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct bytes part = bytes_of_text(rows[i].text);
        uint8_t hash[CRYPTO_SHA256_SIZE];
        assert_int_equal(sha256(&part, 1, hash), STATUS_OK);
        assert_hex(hash, rows[i].hash);
    }
}

static void a_million_a_agree_with_nist(void **state)
{
    (void)state;
    char thousand[1000];
    struct bytes parts[1000];
    memset(thousand, 'a', sizeof(thousand));
    for (size_t i = 0; i < 1000; i++)
        parts[i] = bytes_of(thousand, sizeof(thousand));
    uint8_t hash[CRYPTO_SHA256_SIZE];
    assert_int_equal(sha256(parts, 1000, hash), STATUS_OK);
    assert_hex(hash, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void a_prefix_is_finished_with_many_endings(void **state)
{
    (void)state;
    struct sha256_prefix *prefix;
    const struct bytes beginning = BYTES_LITERAL("ab");
    assert_int_equal(sha256_prefix_new(&beginning, 1, &prefix), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        uint8_t hash[CRYPTO_SHA256_SIZE];
        assert_int_equal(sha256_finish(prefix, BYTES_LITERAL("c"), hash), STATUS_OK);
        assert_hex(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    sha256_prefix_free(prefix);
}

static void only_the_same_bytes_are_equal(void **state)
{
    (void)state;
    assert_true(crypto_equal(BYTES_LITERAL("secret"), BYTES_LITERAL("secret")));
    assert_false(crypto_equal(BYTES_LITERAL("secret"), BYTES_LITERAL("secreT")));
    assert_false(crypto_equal(BYTES_LITERAL("secret"), BYTES_LITERAL("Secret")));
    assert_false(crypto_equal(BYTES_LITERAL("secret"), BYTES_LITERAL("secre")));
    assert_false(crypto_equal(BYTES_LITERAL("a\0b"), BYTES_LITERAL("a\0c")));
    assert_true(crypto_equal(BYTES_LITERAL(""), bytes_of(NULL, 0)));
}

static void random_bytes_do_not_come_twice(void **state)
{
    (void)state;
    uint8_t a[16] = {0}, b[16] = {0};
    assert_int_equal(crypto_random(a, sizeof(a)), STATUS_OK);
    assert_int_equal(crypto_random(b, sizeof(b)), STATUS_OK);
    assert_memory_not_equal(a, b, sizeof(a));
}

/* A stock is 512 bytes: it is used up and fetched anew several times. */
static void ids_do_not_come_twice(void **state)
{
    (void)state;
    uint8_t ids[200][16] = {{0}};
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(crypto_random_id(ids[i], sizeof(ids[i])), STATUS_OK);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(ids[i], ids[k], sizeof(ids[i]));
    }
}

static void what_is_wiped_is_zero(void **state)
{
    (void)state;
    char text[] = "secret";
    crypto_wipe(text, sizeof(text));
    for (size_t i = 0; i < sizeof(text); i++)
        assert_int_equal(text[i], 0);
}

static void hex_reads_back_in_either_case(void **state)
{
    static const struct {
        const char *text;
        bool reads;
    } rows[] = {
        {"00ff7f10", true},    {"00FF7F10", true},
        {"00fF7f10", true},    {"00ff7f1", false}, /* a digit short */
        {"00ff7f1000", false},                     /* too long */
        {"00ff7f1g", false},                       /* no digit */
        {"00ff7f-1", false},                       /* a sign */
        {"0x00ff7f", false},                       /* a prefix */
        {" 0ff7f10", false},                       /* a space */
        {"", false},                               /* nothing */
    };
    static const uint8_t expected[] = {0x00, 0xff, 0x7f, 0x10};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[4];
        assert_int_equal(hex_decode(bytes_of_text(rows[i].text), bytes, 4), rows[i].reads);
        if (rows[i].reads)
            assert_memory_equal(bytes, expected, 4);
    }
    char text[9];
    hex_encode(bytes_of(expected, 4), text);
    assert_string_equal(text, "00ff7f10");
}

static size_t hex_to_bytes(const char *text, uint8_t ret[128])
{
    size_t len = strlen(text) / 2;
    assert_true(len <= 128 && hex_decode(bytes_of_text(text), ret, len));
    return len;
}

static const struct {
    const char *key, *nonce, *aad, *plaintext, *sealed;
} gcm_rows[] = {
    /* McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", test case 13: no text */
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    /* test case 14: one block */
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    /* test case 16: additional data, and no whole number of blocks */
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "5"
     "25b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "838"
     "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
    /* additional data alone; made with Python's cryptography 48.0.0 */
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "6465666768696a6b6c6d6e6f",
     "616164", "", "9edc85d37715943677af73627fac7583"},
};

static void aes_gcm_agrees_with_its_authors_however_the_additional_data_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(gcm_rows) / sizeof(gcm_rows[0]); i++) {
        uint8_t key[128], nonce[128], aad[128], text[128], expected[128], out[128];
        hex_to_bytes(gcm_rows[i].key, key);
        hex_to_bytes(gcm_rows[i].nonce, nonce);
        size_t aad_len = hex_to_bytes(gcm_rows[i].aad, aad);
        struct bytes plaintext = bytes_of(text, hex_to_bytes(gcm_rows[i].plaintext, text));
        size_t sealed_len = hex_to_bytes(gcm_rows[i].sealed, expected);
        assert_int_equal(sealed_len, plaintext.len + AES_GCM_TAG_SIZE);
        for (size_t cut = 0; cut <= aad_len; cut++) {
            const struct bytes parts[] = {{aad, cut}, {NULL, 0}, {aad + cut, aad_len - cut}};
            assert_int_equal(aes_gcm_seal(key, nonce, parts, 3, plaintext, out), STATUS_OK);
            assert_memory_equal(out, expected, sealed_len);
            struct bytes sealed = bytes_of(expected, sealed_len);
            assert_int_equal(aes_gcm_open(key, nonce, parts, 3, sealed, out), STATUS_OK);
            assert_memory_equal(out, text, plaintext.len);
        }
    }
}

/* Each bit of the sealed bytes, the nonce, the key and the additional data. */
static void a_flipped_bit_is_not_opened_and_nothing_is_handed_out(void **state)
{
    (void)state;
    uint8_t key[128], nonce[128], aad[128], sealed[128], out[128];
    const struct {
        uint8_t *bytes;
        size_t len;
    } places[] = {
        {key, hex_to_bytes(gcm_rows[2].key, key)},
        {nonce, hex_to_bytes(gcm_rows[2].nonce, nonce)},
        {aad, hex_to_bytes(gcm_rows[2].aad, aad)},
        {sealed, hex_to_bytes(gcm_rows[2].sealed, sealed)},
    };
    const struct bytes aad_part = {aad, places[2].len}, whole = {sealed, places[3].len};
    for (size_t place = 0; place < 4; place++) {
        for (size_t bit = 0; bit < places[place].len * 8; bit++) {
            places[place].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memset(out, 0xff, sizeof(out));
            assert_int_equal(aes_gcm_open(key, nonce, &aad_part, 1, whole, out),
                             STATUS_UNAUTHENTIC);
            for (size_t i = 0; i < whole.len - AES_GCM_TAG_SIZE; i++)
                assert_int_equal(out[i], 0);
            places[place].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    assert_int_equal(aes_gcm_open(key, nonce, &aad_part, 1, whole, out), STATUS_OK);
    for (size_t len = 0; len < whole.len; len++) { /* cut short */
        struct bytes cut = bytes_of(sealed, len);
        assert_int_equal(aes_gcm_open(key, nonce, &aad_part, 1, cut, out), STATUS_UNAUTHENTIC);
    }
}

static void base64_is_padded(void **state)
{
    /* Source: RFC 4648 section 10. */
    static const struct {
        const char *text, *base64;
    } rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[BASE64_LEN(6) + 1];
        base64_encode(bytes_of_text(rows[i].text), text);
        assert_string_equal(text, rows[i].base64);
    }
}

static void base32_is_lower_case_and_has_no_padding(void **state)
{
    static const struct {
        const char *text, *base32;
    } rows[] = {
        /* RFC 4648 section 10 */
        {"", ""},
        {"f", "my"},
        {"fo", "mzxq"},
        {"foo", "mzxw6"},
        {"foob", "mzxw6yq"},
        {"fooba", "mzxw6ytb"},
        {"foobar", "mzxw6ytboi"},
        /* 128 bits; made with Python's base64 */
        {"\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff",
         "6dy7f47u6x3pp6hz7l57z7p674"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];
        struct bytes bytes = bytes_of_text(rows[i].text);
        base32_encode(bytes, text);
        assert_string_equal(text, rows[i].base32);
        assert_int_equal(strlen(text), BASE32_LEN(bytes.len));
    }
}

static int start(void **state)
{
    (void)state;
    return crypto_start() != STATUS_OK || crypto_start() != STATUS_OK; /* twice is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_agrees_with_rfc_4231_however_the_message_is_cut),
        cmocka_unit_test(one_key_serves_many_threads),
        cmocka_unit_test(sha256_agrees_with_nist),
        cmocka_unit_test(a_million_a_agree_with_nist),
        cmocka_unit_test(a_prefix_is_finished_with_many_endings),
        cmocka_unit_test(only_the_same_bytes_are_equal),
        cmocka_unit_test(random_bytes_do_not_come_twice),
        cmocka_unit_test(ids_do_not_come_twice),
        cmocka_unit_test(what_is_wiped_is_zero),
        cmocka_unit_test(hex_reads_back_in_either_case),
        cmocka_unit_test(aes_gcm_agrees_with_its_authors_however_the_additional_data_is_cut),
        cmocka_unit_test(a_flipped_bit_is_not_opened_and_nothing_is_handed_out),
        cmocka_unit_test(base64_is_padded),
        cmocka_unit_test(base32_is_lower_case_and_has_no_padding),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
