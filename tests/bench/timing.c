/* timing [SAMPLES]: how long the verification of a callback takes, in pairs of cases which a sender
 * must not tell apart by it; and in pairs that must be told apart, without which the others would
 * show nothing. Each sample takes a body of its own and one case of the pair, by lot. A pair is
 * told apart when Welch's t is beyond 10, of all samples or of the quickest ones, which have less
 * of the machine's noise.
 * Source: O. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant time?", 2017; the
 * bounds are those of its program.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/base/crypto.h"
#include "bridge/base/secret.h"
#include "bridge/providers/maesn/maesn.h"
#include "bridge/providers/moneybird/moneybird.h"

static const double t_told_apart = 10, t_suspicious = 4.5;

static const char first_text[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char second_text[] =
    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/* --- what is compared with, see --wrap in CMakeLists.txt --------------------------------------
 */

static bool stops_at_a_difference;

int __real_CRYPTO_memcmp(const void *a, const void *b, size_t len);
int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t len);

/* memcmp() as most C libraries have it, a byte at a time. */
static int compare_up_to_a_difference(const volatile uint8_t *a, const volatile uint8_t *b,
                                      size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            return 1;
    return 0;
}

int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t len)
{
    return stops_at_a_difference ? compare_up_to_a_difference(a, b, len)
                                 : __real_CRYPTO_memcmp(a, b, len);
}

/* --- chance ------------------------------------------------------------------------------------
 */

/* xorshift64*. Source: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators".
 */
static uint64_t draw(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

/* --- pairs -------------------------------------------------------------------------------------
 */

enum signer { SIGNER_FIRST, SIGNER_SECOND, SIGNER_NOBODY };

/* One of a pair. */
struct side {
    enum signer signer;
    size_t wrong_byte;   /* of the signature, from 1; 0: it is as signed */
    bool has_one_secret; /* the verification has no second one to try */
};

static const struct pair {
    const char *name;
    const struct provider *provider;
    struct side sides[2];
    bool by_token;
    bool stops_at_a_difference;
    bool is_control; /* this one must be told apart */
} pairs[] = {
#define PAIR(of, a, b, ...)                                                                        \
    {                                                                                              \
        .provider = &of, .sides = {a, b}, .name = #of ": " __VA_ARGS__                             \
    }
#define SIDE(by, ...)                                                                              \
    {                                                                                              \
        .signer = SIGNER_##by, __VA_ARGS__                                                         \
    }
#define SIGNED_PAIRS(of)                                                                           \
    PAIR(of, SIDE(FIRST), SIDE(NOBODY), "a right and a wrong signature"),                          \
        PAIR(of, SIDE(FIRST), SIDE(SECOND), "signed by the first and by the second secret"),       \
        PAIR(of, SIDE(FIRST, .wrong_byte = 1), SIDE(FIRST, .wrong_byte = 32),                      \
             "wrong in the first and in the last byte"),                                           \
        PAIR(of, SIDE(FIRST), SIDE(FIRST), "twice the same")
    SIGNED_PAIRS(maesn),
    SIGNED_PAIRS(moneybird),
    PAIR(moneybird, SIDE(NOBODY), SIDE(NOBODY, .wrong_byte = 32), "a right and a wrong token",
         .by_token = true),
    PAIR(moneybird, SIDE(NOBODY, .wrong_byte = 1), SIDE(NOBODY, .wrong_byte = 64),
         "a token wrong in the first and in the last byte", .by_token = true),
    PAIR(maesn, SIDE(FIRST, .wrong_byte = 1), SIDE(FIRST, .wrong_byte = 32),
         "wrong in the first and in the last byte, compared up to a difference",
         .stops_at_a_difference = true, .is_control = true),
    PAIR(maesn, SIDE(FIRST, .has_one_secret = true), SIDE(FIRST),
         "an end with the first secret, and none", .is_control = true),
};

/* --- a sample ----------------------------------------------------------------------------------
 */

static struct {
    struct secret *first, *second, *token;
    struct hmac_key *keys[3]; /* of each signer */
} world;

static struct secret *make_secret(const char *text)
{
    struct secret *secret = NULL;
    assert(secret_new(bytes_of_text(text), &secret, NULL) == STATUS_OK);
    return secret;
}

static void make_world(void)
{
    static const char *const texts[] = {first_text, second_text, "nobody's"};
    world.first = make_secret(first_text);
    world.second = make_secret(second_text);
    world.token = make_secret(first_text);
    for (size_t i = 0; i < 3; i++)
        assert(hmac_key_new(bytes_of_text(texts[i]), &world.keys[i]) == STATUS_OK);
}

static struct route *make_route(const struct pair *pair, bool has_one_secret)
{
    struct route *route = NULL;
    const struct route_fields fields = {
        .path = "/in/provider/acme-42/by-hand",
        .provider = pair->provider,
        .account = "acme-42",
        .system = pair->provider == &moneybird ? "moneybird" : "xero",
        .state = ROUTE_ACTIVE,
        .current_secret = pair->by_token ? NULL : world.first,
        .previous_secret = pair->by_token || has_one_secret ? NULL : world.second,
        .token = pair->by_token ? world.token : NULL,
    };
    assert(route_new(&fields, &route) == STATUS_OK);
    return route;
}

/* What is received. Both sides of a pair write it to the same place. */
static struct {
    char body[256];
    char signature[128];
} message;

static void write_message(const struct pair *pair, const struct side *side)
{
    char token[sizeof(first_text)], hex[2 * CRYPTO_SHA256_SIZE + 1];
    uint8_t mac[CRYPTO_SHA256_SIZE];
    memcpy(token, first_text, sizeof(token));
    if (pair->by_token && side->wrong_byte > 0)
        token[side->wrong_byte - 1] = 'x';
    snprintf(message.body, sizeof(message.body),
             "{\"resource\":\"INVOICE\",\"resourceId\":\"%016llx\",\"webhook_token\":\"%s\"}",
             (unsigned long long)draw(), token);

    const struct bytes parts[] = {BYTES_LITERAL("1767322245."), bytes_of_text(message.body)};
    bool is_timed = pair->provider == &moneybird;
    assert(hmac_sha256(world.keys[side->signer], is_timed ? parts : parts + 1, is_timed ? 2 : 1,
                       mac) == STATUS_OK);
    if (side->wrong_byte > 0 && !pair->by_token)
        mac[side->wrong_byte - 1] ^= 1;
    hex_encode(bytes_of(mac, sizeof(mac)), hex);
    snprintf(message.signature, sizeof(message.signature), is_timed ? "t=1767322245,v1=%s" : "%s",
             hex);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static uint32_t time_verification(const struct route *route)
{
    static const struct provider_options opt = {.signature_tolerance_ms = 0};
    const struct callback cb = {
        .body = bytes_of_text(message.body),
        .signature = message.signature,
        .received_at_unix_ms = 1767322245678,
    };
    enum verification verdict = VERIFICATION_BAD;
    int64_t began_ns = now_ns();
    enum status status = route->provider->verify(route, &cb, &opt, &verdict);
    int64_t took_ns = now_ns() - began_ns;
    assert(status == STATUS_OK);
    return took_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)took_ns;
}

/* --- Welch's t ---------------------------------------------------------------------------------
 */

struct sample {
    uint32_t took_ns;
    uint32_t side;
};

static int compare_samples(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    return (x->took_ns > y->took_ns) - (x->took_ns < y->took_ns);
}

struct difference {
    double t;
    double mean_ns; /* the second side's mean less the first one's */
};

/* Of the quickest len samples. */
static struct difference difference_of(const struct sample samples[], size_t len)
{
    double n[2] = {0, 0}, mean[2] = {0, 0}, squares[2] = {0, 0};
    for (size_t i = 0; i < len; i++) { /* Welford's running sums */
        size_t side = samples[i].side;
        double off = samples[i].took_ns - mean[side];
        n[side]++;
        mean[side] += off / n[side];
        squares[side] += off * (samples[i].took_ns - mean[side]);
    }
    if (n[0] < 2 || n[1] < 2)
        return (struct difference){0, 0};
    double error = sqrt(squares[0] / (n[0] - 1) / n[0] + squares[1] / (n[1] - 1) / n[1]);
    double apart = mean[1] - mean[0];
    return (struct difference){error > 0 ? apart / error : 0, apart};
}

/* The greatest, of all samples and of these parts of them. */
static struct difference greatest_difference(struct sample samples[], size_t len)
{
    static const double parts[] = {1, 0.99, 0.9, 0.75, 0.5, 0.25};
    struct difference greatest = {0, 0};
    qsort(samples, len, sizeof(samples[0]), compare_samples);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct difference d = difference_of(samples, (size_t)((double)len * parts[i]));
        if (fabs(d.t) > fabs(greatest.t))
            greatest = d;
    }
    return greatest;
}

/* --- the run -----------------------------------------------------------------------------------
 */

/* Returns whether it came out as it must. */
static bool measure(const struct pair *pair, struct sample samples[], size_t len)
{
    struct route *routes[2];
    for (size_t i = 0; i < 2; i++)
        routes[i] = make_route(pair, pair->sides[i].has_one_secret);
    stops_at_a_difference = pair->stops_at_a_difference;
    for (size_t i = 0; i < len; i++) {
        size_t side = draw() >> 63;
        write_message(pair, &pair->sides[side]);
        samples[i] = (struct sample){time_verification(routes[side]), (uint32_t)side};
    }
    stops_at_a_difference = false;
    for (size_t i = 0; i < 2; i++)
        route_unref(routes[i]);

    struct difference d = greatest_difference(samples, len);
    const char *finding = fabs(d.t) > t_told_apart   ? "told apart"
                          : fabs(d.t) > t_suspicious ? "perhaps told apart"
                                                     : "not told apart";
    printf("%9.1f %9.1f ns %8u ns  %s%s: %s\n", d.t, d.mean_ns, samples[len / 2].took_ns,
           pair->is_control ? "(control) " : "", pair->name, finding);
    fflush(stdout);
    return pair->is_control ? fabs(d.t) > t_told_apart : fabs(d.t) <= t_told_apart;
}

int main(int argc, char *argv[])
{
    unsigned len = 500000;
    if (argc > 2 || (argc == 2 && (sscanf(argv[1], "%u", &len) != 1 || len < 100)) ||
        crypto_start() != STATUS_OK)
        return EXIT_FAILURE;
    struct sample *samples = calloc(len, sizeof(*samples));
    assert(samples != NULL);
    make_world();
    printf("%u samples a pair\n        t  difference    median\n", len);
    bool is_well = true;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        is_well &= measure(&pairs[i], samples, len);
    free(samples);
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
