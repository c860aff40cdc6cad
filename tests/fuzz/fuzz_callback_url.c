/* Paths and URLs of callbacks, one a line, where {token} and {old} stand for the right token of
 * what is before it: ours is only what we would write ourselves. Also specifications and registry
 * keys. */
#include <string.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/registry_key.h"
#include "tests/fuzz/fuzz.h"

static struct keyring *keys;
static const char *const bases[] = {"https://hooks.example.com/bridge", "http://127.0.0.1:8080"};

void fuzz_start(void)
{
    static const char text[] =
        "new:11112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
        "old:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    FUZZ_ASSERT(keyring_parse(bytes_of_text(text), "keys", &keys, NULL) == STATUS_OK);
}

/* Of the path from its first "/in/" up to the "-" before the token. */
static void make_token(const char *text, size_t key, char ret[CALLBACK_URL_TOKEN_LEN + 1])
{
    uint8_t mac[CRYPTO_SHA256_SIZE];
    const char *path = strstr(text, "/in/");
    size_t len = path == NULL ? 0 : strcspn(path, "{");
    struct bytes covered = bytes_of(path == NULL ? "" : path, len > 0 ? len - 1 : 0);
    FUZZ_ASSERT(hmac_sha256(keyring_hmac_key(keys, key), &covered, 1, mac) == STATUS_OK);
    base32_encode(bytes_of(mac, 16), ret);
}

/* The same key made it, of this very path. */
static void check_ours(const struct callback_url_match *m, const char *path)
{
    char key[CALLBACK_URL_KEY_SIZE], token[CALLBACK_URL_TOKEN_LEN + 1];
    uint8_t mac[CRYPTO_SHA256_SIZE];
    FUZZ_ASSERT(m->key < keyring_len(keys));
    callback_url_key(&m->url, key);
    struct bytes covered = bytes_of_text(key);
    FUZZ_ASSERT(hmac_sha256(keyring_hmac_key(keys, m->key), &covered, 1, mac) == STATUS_OK);
    base32_encode(bytes_of(mac, 16), token);
    size_t len = strlen(key);
    FUZZ_ASSERT(strncmp(path, key, len) == 0 && path[len] == '-');
    FUZZ_ASSERT(strcmp(path + len + 1, token) == 0);
}

static void check_path(const char *path)
{
    struct callback_url_match m;
    if (fuzz_is_nomem(callback_url_match_path(path, keys, &m)) || !m.ours)
        return;
    check_ours(&m, path);
    char again[CALLBACK_URL_PATH_SIZE];
    if (!fuzz_is_nomem(callback_url_path(&m.url, keys, again)) && m.key == 0)
        FUZZ_ASSERT(strcmp(path, again) == 0);
}

static void check_url(const char *url)
{
    struct callback_url_match m, again;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 4096);
    if (fuzz_is_nomem(callback_url_match(url, bases, 2, keys, &m)) || !m.ours)
        return;
    char key[CALLBACK_URL_KEY_SIZE];
    callback_url_key(&m.url, key);
    size_t len = strlen(key) + 1 + CALLBACK_URL_TOKEN_LEN;
    FUZZ_ASSERT(m.base < 2 && len < strlen(url));
    check_ours(&m, url + strlen(url) - len);
    if (fuzz_is_nomem(callback_url_text(&m.url, bases[m.base], keys, &text)))
        return;
    if (!fuzz_is_nomem(callback_url_match(buf_text(&text), bases, 2, keys, &again)))
        FUZZ_ASSERT(again.ours && again.key == 0 && again.base == m.base &&
                    again.url.generation_unix_ms == m.url.generation_unix_ms &&
                    specification_equal(&again.url.specification, &m.url.specification));
}

static void check_specification(struct bytes text)
{
    struct specification s;
    char again[SPECIFICATION_TEXT_SIZE], name[SPECIFICATION_PART_MAX + 1];
    if (!specification_parse(text, &s))
        return;
    specification_text(&s, again);
    FUZZ_ASSERT(bytes_equal(text, bytes_of_text(again)) && account_id_is_valid(s.account));
    struct specification same;
    FUZZ_ASSERT(specification_set(&same, s.provider, s.account,
                                  specification_wire_name(s.resource, name), NULL));
    FUZZ_ASSERT(strcmp(same.resource, s.resource) == 0 || strstr(s.resource, "--") != NULL ||
                s.resource[0] == '-' || s.resource[strlen(s.resource) - 1] == '-');
}

static void check_key(struct bytes text)
{
    struct registry_key k = registry_key_read(text);
    char again[REGISTRY_KEY_SIZE] = "";
    FUZZ_ASSERT(k.kind == REGISTRY_KEY_UNKNOWN || account_id_is_valid(k.account));
    switch (k.kind) {
    case REGISTRY_KEY_UNKNOWN:
        return;
    case REGISTRY_KEY_ROUTE:
        callback_url_key(&k.url, again);
        break;
    case REGISTRY_KEY_ACCOUNT:
        registry_key_of_account(k.account, again);
        break;
    case REGISTRY_KEY_REQUEST:
        registry_key_of_request(k.account, again);
        break;
    case REGISTRY_KEY_DECLARATION:
        snprintf(again, sizeof(again), "%s", k.account);
        break;
    }
    FUZZ_ASSERT(bytes_equal(text, bytes_of_text(again)));
    FUZZ_ASSERT(registry_key_partition(k.account, 7) >= 0);
    FUZZ_ASSERT(registry_key_partition(k.account, 7) < 7);
}

static void check_line(struct bytes line)
{
    static const char *const names[] = {"token", "old", NULL};
    char token[CALLBACK_URL_TOKEN_LEN + 1], old[CALLBACK_URL_TOKEN_LEN + 1];
    const char *const values[] = {token, old, NULL};
    const char *text = fuzz_text(line);
    make_token(text, 0, token);
    make_token(text, 1, old);
    const char *expanded = strchr(text, '{') == NULL ? text : fuzz_expand(text, names, values);
    const char *path = strstr(expanded, "/in/");
    check_path(expanded);
    if (path != NULL)
        check_path(path);
    check_url(expanded);
    check_key(line);
    check_specification(line);
    if (line.len > 4)
        check_specification(bytes_of(line.data + 4, line.len - 4));
}

void fuzz_one(struct bytes input)
{
    fuzz_lines(input, check_line);
}
