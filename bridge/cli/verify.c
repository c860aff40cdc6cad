#include "bridge/cli/verify.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/file.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/base/timestamp.h"
#include "bridge/cli/captured_headers.h"
#include "bridge/cli/signature_traps.h"
#include "bridge/domain/provider.h"
#include "bridge/domain/route.h"
#include "bridge/providers/moneybird/signature.h"
#include "bridge/providers/providers.h"

/* Larger than any body the ingress takes, so that a body that is too large is told as such. */
#define BODY_MAX (16u << 20)
#define HEADERS_MAX (1u << 20)

/* Each body variant is a copy, indented ones are longer. */
#define MEMORY_MAX (64 * (size_t)BODY_MAX)

/* Source: developer.moneybird.com, "Verifying signatures", 2026. */
static const int64_t tolerance_default_s = 300, tolerance_max_s = 86400;

/* Something to know about the request; the texts are static or in the arena. */
struct finding {
    const char *name, *detail;
};
#define FINDINGS_MAX 16

/* A request under examination. */
struct examination {
    const struct provider *provider;
    struct arena *arena;
    struct buf headers_text, body, secret_text;
    struct captured_headers headers;
    struct secret *secret, *previous, *token;
    struct route *route;
    int64_t received_at_unix_ms; /* only with has_received_at */
    bool has_received_at;
    int64_t tolerance_s;
    const char *signature; /* NULL: none */
    enum verification verification;
    struct finding findings[FINDINGS_MAX];
    size_t findings_len;
};

static void find(struct examination *x, const char *name, const char *detail)
{
    if (x->findings_len < FINDINGS_MAX && detail != NULL)
        x->findings[x->findings_len++] = (struct finding){name, detail};
}

static void examination_init(struct examination *x)
{
    *x = (struct examination){.tolerance_s = tolerance_default_s};
    buf_init(&x->headers_text, HEADERS_MAX);
    buf_init(&x->body, BODY_MAX);
    buf_init(&x->secret_text, SECRET_MAX + 2);
}

static void examination_done(struct examination *x)
{
    if (x->secret_text.data != NULL)
        crypto_wipe(x->secret_text.data, x->secret_text.capacity);
    buf_done(&x->secret_text);
    buf_done(&x->headers_text);
    buf_done(&x->body);
    route_unref(x->route);
    secret_unref(x->secret);
    secret_unref(x->previous);
    secret_unref(x->token);
    arena_free(x->arena);
}

/* --- what it is told ------------------------------------------------------------------------ */

static enum status wrong_use(struct diag *diag, const char *what)
{
    return diag_set(diag, STATUS_INVALID, "%s", what);
}

static enum status read_tolerance(struct examination *x, const char *text, struct diag *diag)
{
    if (text == NULL)
        return STATUS_OK;
    int64_t seconds = 0;
    for (const char *at = text; isdigit((unsigned char)*at) && seconds <= tolerance_max_s; at++)
        seconds = seconds * 10 + (*at - '0');
    bool is_number = *text != '\0' && text[strspn(text, "0123456789")] == '\0';
    if (!is_number || seconds > tolerance_max_s)
        return diag_set(diag, STATUS_INVALID, "--tolerance: %s, expected seconds from 0 to %lld",
                        text, (long long)tolerance_max_s);
    x->tolerance_s = seconds;
    return STATUS_OK;
}

static enum status read_received_at(struct examination *x, const char *text, struct diag *diag)
{
    if (text == NULL)
        return STATUS_OK;
    x->has_received_at = true;
    if (strcmp(text, "now") == 0)
        x->received_at_unix_ms = clock_unix_ms();
    else if (!timestamp_parse(bytes_of_text(text), &x->received_at_unix_ms))
        return diag_set(diag, STATUS_INVALID,
                        "--received-at: %s, expected now or a time like 2026-01-02T03:04:05Z",
                        text);
    return STATUS_OK;
}

static enum status read_options(struct examination *x, const struct invocation *in,
                                struct diag *diag)
{
    const char *name = invocation_value(in, "provider");
    if (name == NULL)
        return wrong_use(diag, "--provider is missing, expected maesn or moneybird");
    x->provider = providers_find(name);
    assert(x->provider != NULL); /* the option's values are the providers */
    if (!invocation_has(in, "headers") || !invocation_has(in, "body"))
        return wrong_use(diag, "--headers and --body are needed: the files of a captured request");
    if (!invocation_has(in, "secret-file") && !invocation_has(in, "token-file"))
        return wrong_use(diag, "--secret-file is missing, expected the file of the route's secret");
    enum status status = read_tolerance(x, invocation_value(in, "tolerance"), diag);
    return status == STATUS_OK ? read_received_at(x, invocation_value(in, "received-at"), diag)
                               : status;
}

static enum status read_secret(const char *path, struct secret **ret, struct diag *diag)
{
    return path == NULL ? STATUS_OK : secret_from_file(path, ret, diag);
}

static enum status read_files(struct examination *x, const struct invocation *in, struct diag *diag)
{
    const char *secret = invocation_value(in, "secret-file");
    enum status status = file_read(invocation_value(in, "headers"), &x->headers_text, diag);
    if (status == STATUS_OK)
        status = file_read(invocation_value(in, "body"), &x->body, diag);
    if (status == STATUS_OK)
        status = read_secret(secret, &x->secret, diag);
    if (status == STATUS_OK && secret != NULL)
        status = file_read(secret, &x->secret_text, diag);
    if (status == STATUS_OK)
        status = read_secret(invocation_value(in, "previous-secret-file"), &x->previous, diag);
    if (status == STATUS_OK)
        status = read_secret(invocation_value(in, "token-file"), &x->token, diag);
    if (status == STATUS_OK)
        status = captured_headers_parse(buf_bytes(&x->headers_text), x->arena, &x->headers);
    return status;
}

/* --- the judgement, by the code that judges in the ingress ----------------------------------- */

static enum status judge(struct examination *x)
{
    struct route_fields fields = {
        .path = "/in/verify",
        .provider = x->provider,
        .account = "verify",
        .system = "verify",
        .state = ROUTE_ACTIVE,
        .current_secret = x->secret,
        .previous_secret = x->previous,
        .token = x->token,
    };
    enum status status = route_new(&fields, &x->route);
    if (status != STATUS_OK)
        return status;
    x->signature = captured_headers_find(&x->headers, x->provider->signature_header);
    struct callback cb = {
        .body = buf_bytes(&x->body),
        .signature = x->signature,
        .received_at_unix_ms = x->received_at_unix_ms,
    };
    struct provider_options opt = {
        .signature_tolerance_ms = x->has_received_at ? x->tolerance_s * 1000 : 0,
    };
    return x->provider->verify(x->route, &cb, &opt, &x->verification);
}

/* --- why ------------------------------------------------------------------------------------ */

static bool is_signed_with_time(const struct examination *x)
{
    return strcmp(x->provider->name, "moneybird") == 0;
}

/* A header that looks as if it were meant to be the signature. */
static const char *similar_header(const struct examination *x)
{
    for (size_t i = 0; i < x->headers.len; i++)
        if (strcasestr(x->headers.items[i].name, "signature") != NULL)
            return x->headers.items[i].name;
    return NULL;
}

static void explain_no_signature(struct examination *x)
{
    const char *expected = x->provider->signature_header, *similar = similar_header(x);
    if (x->headers.len == 0)
        find(x, "headers-empty",
             "the headers file holds no header lines of the form \"Name: value\"");
    else if (similar != NULL)
        find(x, "header-name",
             arena_printf(x->arena, "the request has %s, expected %s", similar, expected));
    else
        find(x, "header-missing", arena_printf(x->arena, "the request has no header %s", expected));
}

static void explain_form(struct examination *x)
{
    find(x, "signature-form",
         is_signed_with_time(x) ? "the header is not of the form \"t=SECONDS,v1=HEX[,v1=HEX]\""
                                : "the header is not 64 hex digits");
}

static enum status explain_traps(struct examination *x)
{
    struct signature_traps traps;
    struct signature_attempt attempt = {
        .secret_file = buf_bytes(&x->secret_text),
        .body = buf_bytes(&x->body),
        .signature = x->signature,
        .has_timestamp = is_signed_with_time(x),
    };
    enum status status = signature_traps_find(&attempt, x->arena, &traps);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < traps.len; i++)
        find(x, traps.items[i]->name, traps.items[i]->detail);
    if (traps.len == 0 && x->body.len == 0)
        find(x, "body-empty", "the captured body is empty: the signature covers other bytes");
    else if (traps.len == 0)
        find(x, "secret-or-body",
             "none of the usual mistakes explains it: the secret is another one (of another "
             "subscription, or of before a renewal), or these are not the bytes that were signed");
    return STATUS_OK;
}

static void explain_time(struct examination *x)
{
    struct signature signature;
    char signed_at[TIMESTAMP_SIZE];
    if (!is_signed_with_time(x) || !signature_parse(x->signature, &signature))
        return;
    timestamp_format(signature.unix_ms, signed_at);
    if (x->verification == VERIFICATION_STALE)
        find(x, "timestamp-stale",
             arena_printf(x->arena,
                          "it was signed at %s, more than %lld s off the time it was received: a "
                          "late retry, a replay, or a clock that is wrong",
                          signed_at, (long long)x->tolerance_s));
    else if (!x->has_received_at)
        find(x, "timestamp-unchecked",
             arena_printf(x->arena,
                          "it was signed at %s; the ingress refuses it more than %lld s off "
                          "(--received-at judges that too)",
                          signed_at, (long long)x->tolerance_s));
}

static enum status explain(struct examination *x)
{
    enum status status = STATUS_OK;
    if (captured_headers_count(&x->headers, x->provider->signature_header) > 1)
        find(x, "header-twice", "the signature header is there twice: the ingress answers 400");
    if (x->signature == NULL && x->verification != VERIFICATION_TOKEN)
        explain_no_signature(x);
    if (x->signature != NULL && x->verification == VERIFICATION_MISSING)
        explain_form(x);
    bool is_wrong = x->verification == VERIFICATION_BAD || x->verification == VERIFICATION_MISSING;
    if (is_wrong && x->signature != NULL && x->secret != NULL)
        status = explain_traps(x);
    if (is_wrong && x->secret == NULL && x->token != NULL)
        find(x, "token", "the body's \"webhook_token\" is missing or is not the token");
    if (x->signature != NULL)
        explain_time(x);
    return status;
}

/* --- the answer ----------------------------------------------------------------------------- */

static const char *sentence(enum verification verification)
{
    switch (verification) {
    case VERIFICATION_BAD:
        return "not verified: no secret made this signature";
    case VERIFICATION_MISSING:
        return "not verified: there is no signature of the right form";
    case VERIFICATION_STALE:
        return "not verified: the signature is right, but its timestamp is outside the tolerance";
    case VERIFICATION_CURRENT:
        return "verified: the secret made this signature";
    case VERIFICATION_PREVIOUS:
        return "verified: the previous secret made this signature";
    case VERIFICATION_TOKEN:
        return "verified: the body holds the token";
    }
    return "";
}

static bool is_verified(const struct examination *x)
{
    return verification_is_authentic(x->verification) &&
           captured_headers_count(&x->headers, x->provider->signature_header) <= 1;
}

static void print_text(const struct examination *x)
{
    puts(sentence(x->verification));
    for (size_t i = 0; i < x->findings_len; i++)
        printf("  %s: %s\n", x->findings[i].name, x->findings[i].detail);
}

static enum status print_json(const struct examination *x)
{
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 65536);
    buf_printf(&b, "{\"verified\":%s,\"result\":\"%s\",\"provider\":\"%s\",\"findings\":[",
               is_verified(x) ? "true" : "false", verification_name(x->verification),
               x->provider->name);
    for (size_t i = 0; i < x->findings_len; i++) {
        buf_printf(&b, "%s{\"name\":\"%s\",\"detail\":", i > 0 ? "," : "", x->findings[i].name);
        json_text_string(&b, bytes_of_text(x->findings[i].detail));
        buf_append_text(&b, "}");
    }
    buf_append_text(&b, "]}");
    if (b.status == STATUS_OK)
        puts(buf_text(&b));
    return b.status;
}

static enum status examine(struct examination *x, const struct invocation *in, struct diag *diag)
{
    x->arena = arena_new(MEMORY_MAX);
    enum status status = x->arena == NULL ? STATUS_NOMEM : read_files(x, in, diag);
    if (status == STATUS_OK)
        status = judge(x);
    if (status == STATUS_OK)
        status = explain(x);
    if (status == STATUS_OK && invocation_wants_json(in))
        status = print_json(x);
    else if (status == STATUS_OK)
        print_text(x);
    return status;
}

static enum exit_code verify_run(const struct invocation *in)
{
    struct diag diag = {0};
    CLEANUP(examination_done) struct examination x;
    examination_init(&x);
    if (read_options(&x, in, &diag) != STATUS_OK) {
        fprintf(stderr, "maesn-bridge verify: %s\n", diag.text);
        return EXIT_CODE_USAGE;
    }
    enum status status = examine(&x, in, &diag);
    if (status != STATUS_OK) {
        fprintf(stderr, "maesn-bridge verify: %s\n",
                diag.text[0] == '\0' ? status_name(status) : diag.text);
        return status == STATUS_INVALID ? EXIT_CODE_USAGE : EXIT_CODE_FAILURE;
    }
    return is_verified(&x) && fflush(stdout) == 0 ? EXIT_CODE_FINE : EXIT_CODE_FAILURE;
}

static const struct command_option verify_options[] = {
    {"provider", "NAME=maesn|moneybird", "Who sent it: maesn or moneybird."},
    {"headers", "FILE", "The request's headers: raw lines, or what curl -v printed."},
    {"body", "FILE", "The request's body, byte for byte."},
    {"secret-file", "FILE", "The route's secret; one newline at its end does not count."},
    {"previous-secret-file", "FILE", "The secret before it, if it still counts."},
    {"token-file", "FILE", "Moneybird: the webhook's token, where no secret is known."},
    {"received-at", "TIME", "Moneybird: judge the timestamp as of then; now, or RFC 3339."},
    {"tolerance", "SECONDS", "Moneybird: how far off the timestamp may be. Default 300."},
    {0},
};

const struct command verify_command = {
    .name = "verify",
    .operands = "",
    .summary = "Say why a captured request's signature passes or fails.",
    .description =
        "Judges a captured request as the ingress would, without a network, and where it fails\n"
        "tries the usual mistakes and names the one that was made: the secret decoded from hex, a\n"
        "newline too much in the secret or the body, a body printed anew, CRLF, base64, a prefix\n"
        "like sha256=, an empty body, a wrong header name, a stale or unsigned timestamp.\n"
        "Nothing it prints holds a secret or a signature.",
    .options = verify_options,
    .examples =
        "  $ maesn-bridge verify --provider maesn --headers headers.txt --body body.json \\\n"
        "      --secret-file secrets/acme-xero",
    .exit_codes = (const struct exit_meaning[]){{0, "verified"},
                                                {1, "not verified"},
                                                {64, "wrong use, or a file that cannot be read"},
                                                {0}},
    .run = verify_run,
};
