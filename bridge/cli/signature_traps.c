#include "bridge/cli/signature_traps.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include <jansson.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/providers/moneybird/signature.h"

/* A secret is at most this long, also with what was done to it. */
#define KEY_MAX 8192

/* A way to get a part of the attempt wrong: makes the wrong part, data == NULL where that is not
 * possible here. */
struct variant {
    struct signature_trap trap; /* name == NULL: no mistake */
    enum status (*make)(struct bytes right, struct arena *a, struct bytes *ret);
};

static enum status copied(const void *data, size_t len, struct arena *a, struct bytes *ret)
{
    *ret = bytes_of(arena_dup(a, bytes_of(data, len)), len);
    return ret->data == NULL ? STATUS_NOMEM : STATUS_OK;
}

static enum status not_possible(struct bytes *ret)
{
    *ret = bytes_of(NULL, 0);
    return STATUS_OK;
}

static enum status make_same(struct bytes right, struct arena *a, struct bytes *ret)
{
    (void)a;
    *ret = right;
    return STATUS_OK;
}

static enum status make_with(struct bytes right, const char *end, struct arena *a,
                             struct bytes *ret)
{
    char *made = arena_printf(a, "%.*s%s", (int)right.len, (const char *)right.data, end);
    if (made == NULL)
        return STATUS_NOMEM;
    if (memchr(right.data, '\0', right.len) != NULL)
        return not_possible(ret);
    *ret = bytes_of_text(made);
    return STATUS_OK;
}

static enum status make_with_newline(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_with(right, "\n", a, ret);
}

static enum status make_with_crlf(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_with(right, "\r\n", a, ret);
}

/* --- the secret ----------------------------------------------------------------------------- */

static enum status make_hex_decoded(struct bytes right, struct arena *a, struct bytes *ret)
{
    uint8_t decoded[KEY_MAX];
    size_t len = right.len / 2;
    if (len == 0 || len > sizeof(decoded) || !hex_decode(right, decoded, len))
        return not_possible(ret);
    enum status status = copied(decoded, len, a, ret);
    crypto_wipe(decoded, len);
    return status;
}

static int base64_digit(uint8_t c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c == '\0' ? NULL : strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c);
    return found == NULL ? -1 : (int)(found - digits);
}

/* Source: RFC 4648 sections 4 and 5; padding may be missing. Returns the length, 0 for no base64.
 */
static size_t base64_decode(struct bytes text, uint8_t *ret, size_t max)
{
    uint32_t bits = 0;
    size_t held = 0, len = 0;
    while (text.len > 0 && text.data[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0 || len == max)
            return 0;
        bits = (bits << 6 | (uint32_t)digit) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret[len++] = (uint8_t)(bits >> held);
        }
    }
    return len;
}

static enum status make_base64_decoded(struct bytes right, struct arena *a, struct bytes *ret)
{
    uint8_t decoded[KEY_MAX];
    size_t len = base64_decode(right, decoded, sizeof(decoded));
    if (len == 0)
        return not_possible(ret);
    enum status status = copied(decoded, len, a, ret);
    crypto_wipe(decoded, len);
    return status;
}

static enum status make_trimmed(struct bytes right, struct arena *a, struct bytes *ret)
{
    while (right.len > 0 && (isspace(right.data[0]) || right.data[0] == '"'))
        right = bytes_of(right.data + 1, right.len - 1);
    while (right.len > 0 &&
           (isspace(right.data[right.len - 1]) || right.data[right.len - 1] == '"'))
        right.len--;
    return copied(right.data, right.len, a, ret);
}

static enum status make_cased(struct bytes right, int (*to)(int), struct arena *a,
                              struct bytes *ret)
{
    uint8_t *made = (uint8_t *)arena_dup(a, right);
    if (made == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < right.len; i++)
        made[i] = (uint8_t)to(made[i]);
    *ret = bytes_of(made, right.len);
    return STATUS_OK;
}

static enum status make_lower(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_cased(right, tolower, a, ret);
}

static enum status make_upper(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_cased(right, toupper, a, ret);
}

static const struct variant secrets[] = {
    {{NULL, NULL}, make_same},
    {{"secret-hex-decoded",
      "the signer decoded the secret from hex: the key is the secret's text as it is"},
     make_hex_decoded},
    {{"secret-base64-decoded",
      "the signer decoded the secret from base64: the key is the secret's text as it is"},
     make_base64_decoded},
    {{"secret-newline", "the signer's secret ends in a newline: the key is the text without it"},
     make_with_newline},
    {{"secret-newline", "the signer's secret ends in CRLF: the key is the text without it"},
     make_with_crlf},
    {{"secret-surroundings",
      "the secret file holds quotes or white space around the secret: store the text alone"},
     make_trimmed},
    {{"secret-case", "the secret was written in lower case by the signer, here it is not"},
     make_lower},
    {{"secret-case", "the secret was written in upper case by the signer, here it is not"},
     make_upper},
};

/* --- the body ------------------------------------------------------------------------------- */

static enum status make_without_newline(struct bytes right, struct arena *a, struct bytes *ret)
{
    (void)a;
    if (right.len == 0 || right.data[right.len - 1] != '\n')
        return not_possible(ret);
    size_t cut = right.len > 1 && right.data[right.len - 2] == '\r' ? 2 : 1;
    *ret = bytes_of(right.data, right.len - cut);
    return STATUS_OK;
}

static enum status make_crlf(struct bytes right, struct arena *a, struct bytes *ret)
{
    uint8_t *made = arena_alloc(a, 2 * right.len + 1);
    size_t len = 0;
    if (made == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < right.len; i++) {
        if (right.data[i] == '\n' && (i == 0 || right.data[i - 1] != '\r'))
            made[len++] = '\r';
        made[len++] = right.data[i];
    }
    *ret = bytes_of(made, len);
    return STATUS_OK;
}

static enum status make_lf(struct bytes right, struct arena *a, struct bytes *ret)
{
    uint8_t *made = arena_alloc(a, right.len + 1);
    size_t len = 0;
    if (made == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < right.len; i++)
        if (right.data[i] != '\r' || i + 1 == right.len || right.data[i + 1] != '\n')
            made[len++] = right.data[i];
    *ret = bytes_of(made, len);
    return STATUS_OK;
}

static enum status make_reprinted(struct bytes right, size_t flags, struct arena *a,
                                  struct bytes *ret)
{
    json_t *json = json_loadb((const char *)right.data, right.len, JSON_ALLOW_NUL, NULL);
    char *text = json == NULL ? NULL : json_dumps(json, flags);
    json_decref(json);
    if (text == NULL)
        return not_possible(ret);
    enum status status = copied(text, strlen(text), a, ret);
    free(text);
    return status;
}

static enum status make_minified(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_reprinted(right, JSON_COMPACT, a, ret);
}

static enum status make_spaced(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_reprinted(right, 0, a, ret);
}

static enum status make_indented_2(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_reprinted(right, JSON_INDENT(2), a, ret);
}

static enum status make_indented_4(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_reprinted(right, JSON_INDENT(4), a, ret);
}

static enum status make_sorted(struct bytes right, struct arena *a, struct bytes *ret)
{
    return make_reprinted(right, JSON_COMPACT | JSON_SORT_KEYS, a, ret);
}

static enum status make_empty(struct bytes right, struct arena *a, struct bytes *ret)
{
    (void)right, (void)a;
    *ret = BYTES_LITERAL("");
    return STATUS_OK;
}

#define REPRINTED                                                                                  \
    "body-reserialised", "the body was parsed and printed again between signing and here: keep "   \
                         "the raw bytes (it was signed "

static const struct variant bodies[] = {
    {{NULL, NULL}, make_same},
    {{"body-newline", "the captured body ends in a newline that was not signed: an editor or echo "
                      "added it"},
     make_without_newline},
    {{"body-newline", "the body was signed with a newline at its end, which is missing here"},
     make_with_newline},
    {{"body-crlf", "the body was signed with CRLF line ends and has LF here: something converted "
                   "it"},
     make_crlf},
    {{"body-crlf", "the body was signed with LF line ends and has CRLF here: something converted "
                   "it"},
     make_lf},
    {{REPRINTED "compact)"}, make_minified},
    {{REPRINTED "with a space behind \",\" and \":\")"}, make_spaced},
    {{REPRINTED "indented by 2)"}, make_indented_2},
    {{REPRINTED "indented by 4)"}, make_indented_4},
    {{REPRINTED "compact, with its keys sorted)"}, make_sorted},
    {{"body-empty", "an empty body was signed: the signer read the body's stream twice, or "
                    "signed before it was there"},
     make_empty},
};

#define SECRETS (sizeof(secrets) / sizeof(secrets[0]))
#define BODIES (sizeof(bodies) / sizeof(bodies[0]))

/* --- the signature -------------------------------------------------------------------------- */

static const struct signature_trap trap_prefix = {
    "signature-prefix",
    "the signature has a prefix like \"sha256=\": the header holds the 64 hex digits alone"};
static const struct signature_trap trap_base64 = {
    "signature-base64", "the signature is base64: the header holds 64 hex digits"};
static const struct signature_trap trap_quotes = {
    "signature-quoted", "the signature stands in quotes: the header holds the 64 hex digits alone"};
static const struct signature_trap trap_no_timestamp = {
    "timestamp-not-signed",
    "the signature covers the body alone: Moneybird signs the timestamp, \".\" and the body"};
static const struct signature_trap trap_bare_signature = {
    "timestamp-missing", "the header is a bare signature: Moneybird's is \"t=SECONDS,v1=HEX\""};

/* What was read from the header: what the HMAC should be, and what had to be put up with. */
struct reading {
    struct signature signature;
    bool has_timestamp;
    struct signature_traps traps;
};

static void note(struct signature_traps *traps, const struct signature_trap *trap)
{
    if (trap->name != NULL && traps->len < SIGNATURE_TRAPS_MAX)
        traps->items[traps->len++] = trap;
}

static bool read_bare(struct bytes text, struct reading *ret)
{
    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"') {
        text = bytes_of(text.data + 1, text.len - 2);
        note(&ret->traps, &trap_quotes);
    }
    const uint8_t *equals = text.len == 0 ? NULL : memchr(text.data, '=', text.len);
    size_t prefix = equals == NULL ? 0 : (size_t)(equals - text.data) + 1;
    if (prefix > 0 && prefix < 12 && prefix < text.len) {
        text = bytes_of(text.data + prefix, text.len - prefix);
        note(&ret->traps, &trap_prefix);
    }
    uint8_t *v1 = ret->signature.v1[0];
    ret->signature.v1_len = 1;
    if (hex_decode(text, v1, CRYPTO_SHA256_SIZE))
        return true;
    note(&ret->traps, &trap_base64);
    return base64_decode(text, v1, CRYPTO_SHA256_SIZE) == CRYPTO_SHA256_SIZE;
}

static bool read_signature(const struct signature_attempt *attempt, struct reading *ret)
{
    *ret = (struct reading){.has_timestamp = false};
    if (attempt->has_timestamp && signature_parse(attempt->signature, &ret->signature)) {
        ret->has_timestamp = true;
        return true;
    }
    ret->signature = (struct signature){.v1_len = 0};
    if (attempt->has_timestamp)
        note(&ret->traps, &trap_bare_signature);
    return read_bare(bytes_of_text(attempt->signature), ret);
}

DEFINE_CLEANUP(struct hmac_key *, hmac_key_free)

static enum status matches(const struct reading *reading, struct bytes secret, struct bytes body,
                           bool with_timestamp, bool *ret)
{
    CLEANUP(hmac_key_free_scoped) struct hmac_key *key = NULL;
    const struct bytes parts[] = {reading->signature.timestamp, BYTES_LITERAL("."), body};
    size_t skipped = with_timestamp ? 0 : 2;
    uint8_t expected[CRYPTO_SHA256_SIZE];
    *ret = false;
    enum status status = hmac_key_new(secret, &key);
    if (status == STATUS_OK)
        status = hmac_sha256(key, parts + skipped, 3 - skipped, expected);
    for (size_t i = 0; status == STATUS_OK && i < reading->signature.v1_len; i++)
        *ret |= crypto_equal(bytes_of(expected, sizeof(expected)),
                             bytes_of(reading->signature.v1[i], sizeof(expected)));
    return status;
}

/* One secret and one body, in each way of signing the two. Fills ret when they match with fewer
 * mistakes than it has; ret->len > SIGNATURE_TRAPS_MAX: nothing has matched yet. */
static enum status attempt_pair(const struct reading *reading, const struct variant *secret,
                                struct bytes key, const struct variant *body, struct bytes bytes,
                                struct signature_traps *ret)
{
    for (int with_timestamp = reading->has_timestamp; with_timestamp >= 0; with_timestamp--) {
        struct signature_traps traps = reading->traps;
        if (reading->has_timestamp && !with_timestamp)
            note(&traps, &trap_no_timestamp);
        note(&traps, &secret->trap);
        note(&traps, &body->trap);
        bool is_match = false;
        if (traps.len >= ret->len)
            continue;
        enum status status = matches(reading, key, bytes, with_timestamp, &is_match);
        if (status != STATUS_OK)
            return status;
        if (is_match)
            *ret = traps;
    }
    return STATUS_OK;
}

static struct bytes without_newline(struct bytes secret)
{
    if (secret.len > 0 && secret.data[secret.len - 1] == '\n')
        secret.len--;
    if (secret.len > 0 && secret.data[secret.len - 1] == '\r')
        secret.len--;
    return secret;
}

static enum status attempt_secret(const struct reading *reading, const struct variant *secret,
                                  struct bytes key, const struct bytes made[BODIES],
                                  struct signature_traps *ret)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < BODIES; i++)
        if (made[i].data != NULL)
            status = attempt_pair(reading, secret, key, &bodies[i], made[i], ret);
    return status;
}

enum status signature_traps_find(const struct signature_attempt *attempt, struct arena *a,
                                 struct signature_traps *ret)
{
    struct reading reading;
    struct bytes made[BODIES], key, secret = without_newline(attempt->secret_file);
    struct signature_traps found = {.len = SIGNATURE_TRAPS_MAX + 1};
    enum status status = STATUS_OK;
    *ret = (struct signature_traps){.len = 0};
    if (!read_signature(attempt, &reading))
        return STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < BODIES; i++)
        status = bodies[i].make(attempt->body, a, &made[i]);
    for (size_t i = 0; status == STATUS_OK && i < SECRETS; i++) {
        status = secrets[i].make(secret, a, &key);
        if (status == STATUS_OK && key.data != NULL)
            status = attempt_secret(&reading, &secrets[i], key, made, &found);
    }
    if (status == STATUS_OK && found.len <= SIGNATURE_TRAPS_MAX)
        *ret = found;
    return status;
}
