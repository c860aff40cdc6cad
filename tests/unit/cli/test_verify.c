#include "bridge/cli/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/file.h"
#include "bridge/base/scoped.h"

#define VECTORS TEST_ROOT "/tests/vectors/"
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define GOOD "f11cd6dbe7a1f38123fd9f510bdc4823dc85c5c8987e5f44f88f1800692e2117"
#define BODY "{\"eventType\": \"UPDATED\",\"resource\":\"INVOICE\"}"

static const struct command *const commands[] = {&verify_command, NULL};

/* A directory of its own, and what the last run said. */
struct bench {
    char directory[64];
    struct buf said;
};

static void bench_init(struct bench *b)
{
    snprintf(b->directory, sizeof(b->directory), "verify-XXXXXX");
    assert_non_null(mkdtemp(b->directory));
    buf_init(&b->said, 65536);
}

static const char *path_of(struct bench *b, const char *name, char ret[128])
{
    snprintf(ret, 128, "%s/%s", b->directory, name);
    return ret;
}

static void bench_done(struct bench *b)
{
    static const char *const names[] = {"headers", "body", "secret", "said"};
    char path[128];
    for (size_t i = 0; i < 4; i++)
        unlink(path_of(b, names[i], path));
    rmdir(b->directory);
    buf_done(&b->said);
}

static void put(struct bench *b, const char *name, struct bytes content)
{
    char path[128];
    FILE *file = fopen(path_of(b, name, path), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

/* Runs the command with stdout and stderr in b->said. */
static enum exit_code run(struct bench *b, const char *const args[])
{
    char *argv[32] = {(char *)"maesn-bridge", (char *)"verify"}, path[128];
    int argc = 2;
    for (; args[argc - 2] != NULL; argc++)
        argv[argc] = (char *)args[argc - 2];
    fflush(stdout);
    fflush(stderr);
    int out = dup(1), err = dup(2);
    FILE *said = fopen(path_of(b, "said", path), "w");
    assert_non_null(said);
    dup2(fileno(said), 1);
    dup2(fileno(said), 2);
    enum exit_code code = command_dispatch(commands, argc, argv);
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    fclose(said);
    buf_done(&b->said);
    buf_init(&b->said, 65536);
    assert_int_equal(file_read(path, &b->said, NULL), STATUS_OK);
    return code;
}

static enum exit_code run_files(struct bench *b, const char *provider, const char *output)
{
    char headers[128], body[128], secret[128];
    const char *const args[] = {"--provider",
                                provider,
                                "--headers",
                                path_of(b, "headers", headers),
                                "--body",
                                path_of(b, "body", body),
                                "--secret-file",
                                path_of(b, "secret", secret),
                                output == NULL ? NULL : "--output",
                                output,
                                NULL};
    return run(b, args);
}

static void hmac_hex(struct bytes key, struct bytes body, char ret[65])
{
    struct hmac_key *made;
    uint8_t hash[CRYPTO_SHA256_SIZE];
    assert_int_equal(hmac_key_new(key, &made), STATUS_OK);
    assert_int_equal(hmac_sha256(made, &body, 1, hash), STATUS_OK);
    hex_encode(bytes_of(hash, sizeof(hash)), ret);
    hmac_key_free(made);
}

static void a_captured_request_passes_from_raw_headers_and_from_curl(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "POST /in/maesn/acme-42/by-hand HTTP/1.1\r\nHost: x\r\nX-MAESN-SIGNATURE: " GOOD "\r\n\r\n",
        "x-maesn-signature:" GOOD,
        "X-Maesn-Signature: F11CD6DBE7A1F38123FD9F510BDC4823DC85C5C8987E5F44F88F1800692E2117\n",
        "*   Trying 127.0.0.1:8080...\n> POST /in HTTP/1.1\n> x-maesn-signature: " GOOD
        "\n>\n< HTTP/1.1 200 OK\n< X-MAESN-SIGNATURE: none\n",
    };
    CLEANUP(bench_done) struct bench b;
    bench_init(&b);
    char path[128];
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        put(&b, "headers", bytes_of_text(headers[i]));
        const char *const args[] = {"--provider",
                                    "maesn",
                                    "--headers",
                                    path_of(&b, "headers", path),
                                    "--body",
                                    VECTORS "maesn/object.body",
                                    "--secret-file",
                                    VECTORS "maesn/secret",
                                    NULL};
        assert_int_equal(run(&b, args), EXIT_CODE_FINE);
        assert_string_equal(buf_text(&b.said), "verified: the secret made this signature\n");
    }
}

/* What the signer did, and what stands in the files. Each row has one mistake. */
static const struct {
    const char *key, *signed_body; /* NULL: hex-decoded secret */
    const char *secret, *body;
    const char *header; /* with one %s for the signature */
    const char *finding;
} traps[] = {
    {NULL, BODY, SECRET, BODY, "X-MAESN-SIGNATURE: %s", "secret-hex-decoded"},
    {SECRET "\n", BODY, SECRET "\n", BODY, "X-MAESN-SIGNATURE: %s", "secret-newline"},
    {SECRET "\r\n", BODY, SECRET, BODY, "X-MAESN-SIGNATURE: %s", "secret-newline"},
    {SECRET, BODY, "\"" SECRET "\"\n", BODY, "X-MAESN-SIGNATURE: %s", "secret-surroundings"},
    {SECRET, BODY, " " SECRET "\n\n", BODY, "X-MAESN-SIGNATURE: %s", "secret-surroundings"},
    {"abc", BODY, "ABC", BODY, "X-MAESN-SIGNATURE: %s", "secret-case"},
    {"abc", BODY, "YWJj", BODY, "X-MAESN-SIGNATURE: %s", "secret-base64-decoded"},
    {SECRET, BODY, SECRET, BODY "\n", "X-MAESN-SIGNATURE: %s", "body-newline"},
    {SECRET, BODY "\n", SECRET, BODY, "X-MAESN-SIGNATURE: %s", "body-newline"},
    {SECRET, "{\r\n}", SECRET, "{\n}", "X-MAESN-SIGNATURE: %s", "body-crlf"},
    {SECRET, "{\n}", SECRET, "{\r\n}", "X-MAESN-SIGNATURE: %s", "body-crlf"},
    {SECRET, "{\"b\":1,\"a\":[1,2]}", SECRET, "{\"b\": 1, \"a\": [1, 2]}", "X-MAESN-SIGNATURE: %s",
     "body-reserialised"},
    {SECRET, "{\"b\": 1, \"a\": [1, 2]}", SECRET, "{\"b\":1,\"a\":[1,2]}", "X-MAESN-SIGNATURE: %s",
     "body-reserialised"},
    {SECRET, "{\n  \"b\": 1\n}", SECRET, "{\"b\":1}", "X-MAESN-SIGNATURE: %s", "body-reserialised"},
    {SECRET, "{\"a\":2,\"b\":1}", SECRET, "{\"b\":1,\"a\":2}", "X-MAESN-SIGNATURE: %s",
     "body-reserialised"},
    {SECRET, "", SECRET, BODY, "X-MAESN-SIGNATURE: %s", "body-empty"},
    {SECRET, BODY, SECRET, "", "X-MAESN-SIGNATURE: %s", "body-empty"},
    {SECRET, BODY, SECRET, BODY, "X-MAESN-SIGNATURE: sha256=%s", "signature-prefix"},
    {SECRET, BODY, SECRET, BODY, "X-MAESN-SIGNATURE: \"%s\"", "signature-quoted"},
    {SECRET, BODY, SECRET, BODY, "X-MAESN-SIGNATURE: 00%s", "signature-form"},
    {SECRET, BODY, SECRET, BODY, "X-Signature: %s", "header-name"},
    {SECRET, BODY, SECRET, BODY, "Content-Type: %s", "header-missing"},
    {SECRET, BODY, SECRET, BODY, "%s", "headers-empty"},
    {SECRET, BODY, SECRET, BODY, "X-MAESN-SIGNATURE: %s\nX-MAESN-SIGNATURE: x", "header-twice"},
    {"another", BODY, SECRET, BODY, "X-MAESN-SIGNATURE: %s", "secret-or-body"},
};

static void each_usual_mistake_is_named(void **state)
{
    (void)state;
    CLEANUP(bench_done) struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
        uint8_t raw[32];
        char signature[65], headers[512], expected[64];
        assert_true(hex_decode(BYTES_LITERAL(SECRET), raw, sizeof(raw)));
        hmac_hex(traps[i].key == NULL ? bytes_of(raw, 32) : bytes_of_text(traps[i].key),
                 bytes_of_text(traps[i].signed_body), signature);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(headers, sizeof(headers), traps[i].header, signature);
#pragma GCC diagnostic pop
        put(&b, "headers", bytes_of_text(headers));
        put(&b, "body", bytes_of_text(traps[i].body));
        put(&b, "secret", bytes_of_text(traps[i].secret));
        assert_int_equal(run_files(&b, "maesn", NULL), EXIT_CODE_FAILURE);
        snprintf(expected, sizeof(expected), "\n  %s: ", traps[i].finding);
        if (strstr(buf_text(&b.said), expected) == NULL)
            fail_msg("row %zu: expected %s in: %s", i, traps[i].finding, buf_text(&b.said));
        assert_null(strstr(buf_text(&b.said), signature));
        assert_null(strstr(buf_text(&b.said), SECRET));
    }
}

static void a_base64_signature_is_named(void **state)
{
    (void)state;
    CLEANUP(bench_done) struct bench b;
    bench_init(&b);
    char path[128];
    /* base64.b64encode(bytes.fromhex(GOOD)) by Python */
    put(&b, "headers",
        BYTES_LITERAL("X-MAESN-SIGNATURE: 8RzW2+eh84Ej/Z9RC9xII9yFxciYfl9E+I8YAGkuIRc=\n"));
    const char *const args[] = {"--provider",
                                "maesn",
                                "--headers",
                                path_of(&b, "headers", path),
                                "--body",
                                VECTORS "maesn/object.body",
                                "--secret-file",
                                VECTORS "maesn/secret",
                                NULL};
    assert_int_equal(run(&b, args), EXIT_CODE_FAILURE);
    assert_string_equal(buf_text(&b.said),
                        "not verified: there is no signature of the right form\n"
                        "  signature-form: the header is not 64 hex digits\n"
                        "  signature-base64: the signature is base64: the header holds 64 hex "
                        "digits\n");
}

static void moneybirds_timestamp_is_judged_when_the_time_of_receipt_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *received_at;
        const char *tolerance;
        enum exit_code code;
        const char *said;
    } rows[] = {
        {"2026-01-02T03:09:05Z", "300", EXIT_CODE_FINE,
         "verified: the secret made this signature\n"},
        {"2026-01-02T03:09:06Z", "300", EXIT_CODE_FAILURE,
         "not verified: the signature is right, but its timestamp is outside the tolerance\n"
         "  timestamp-stale: it was signed at 2026-01-02T03:04:05Z, more than 300 s off the time "
         "it was received: a late retry, a replay, or a clock that is wrong\n"},
        {"now", "0", EXIT_CODE_FINE, "verified: the secret made this signature\n"},
        {NULL, NULL, EXIT_CODE_FINE,
         "verified: the secret made this signature\n"
         "  timestamp-unchecked: it was signed at 2026-01-02T03:04:05Z; the ingress refuses it "
         "more "
         "than 300 s off (--received-at judges that too)\n"},
    };
    CLEANUP(bench_done) struct bench b;
    bench_init(&b);
    char path[128];
    put(&b, "headers",
        BYTES_LITERAL("Moneybird-Signature: t=1767323045,"
                      "v1=4a994c35d8c66d55eae26605110c81fdc034a881873c86922bc2051bb4376edc\n"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const args[] = {"--provider",
                                    "moneybird",
                                    "--headers",
                                    path_of(&b, "headers", path),
                                    "--body",
                                    VECTORS "moneybird/contact-created.body",
                                    "--secret-file",
                                    VECTORS "moneybird/secret",
                                    rows[i].received_at == NULL ? NULL : "--received-at",
                                    rows[i].received_at,
                                    "--tolerance",
                                    rows[i].tolerance,
                                    NULL};
        assert_int_equal(run(&b, args), rows[i].code);
        assert_string_equal(buf_text(&b.said), rows[i].said);
    }
}

static void a_moneybird_signature_over_the_body_alone_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *header, *finding;
    } rows[] = {
        {"Moneybird-Signature: t=1767323045,v1=%s", "timestamp-not-signed"},
        {"Moneybird-Signature: %s", "timestamp-missing"},
        {"Moneybird-Signature: v1=%s", "timestamp-missing"},
    };
    CLEANUP(bench_done) struct bench b;
    bench_init(&b);
    char signature[65], headers[256];
    hmac_hex(BYTES_LITERAL(SECRET), BYTES_LITERAL(BODY), signature);
    put(&b, "body", BYTES_LITERAL(BODY));
    put(&b, "secret", BYTES_LITERAL(SECRET));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(headers, sizeof(headers), rows[i].header, signature);
#pragma GCC diagnostic pop
        put(&b, "headers", bytes_of_text(headers));
        assert_int_equal(run_files(&b, "moneybird", NULL), EXIT_CODE_FAILURE);
        assert_non_null(strstr(buf_text(&b.said), rows[i].finding));
    }
}

static void the_answer_is_json_where_that_is_wanted(void **state)
{
    (void)state;
    CLEANUP(bench_done) struct bench b;
    bench_init(&b);
    put(&b, "headers", BYTES_LITERAL("X-Signature: x\n"));
    put(&b, "body", BYTES_LITERAL(BODY));
    put(&b, "secret", BYTES_LITERAL(SECRET));
    assert_int_equal(run_files(&b, "maesn", "json"), EXIT_CODE_FAILURE);
    assert_string_equal(buf_text(&b.said),
                        "{\"verified\":false,\"result\":\"missing\",\"provider\":\"maesn\","
                        "\"findings\":[{\"name\":\"header-name\",\"detail\":\"the request has "
                        "X-Signature, expected X-MAESN-SIGNATURE\"}]}\n");
}

static void a_wrong_use_is_told_and_is_64(void **state)
{
    (void)state;
    static const struct {
        const char *args[9];
        const char *said;
    } rows[] = {
        {{NULL}, "maesn-bridge verify: --provider is missing, expected maesn or moneybird\n"},
        {{"--provider", "stripe", NULL},
         "maesn-bridge verify: --provider is none of maesn|moneybird: stripe\n"
         "Try `maesn-bridge verify --help`.\n"},
        {{"--provider", "maesn", NULL},
         "maesn-bridge verify: --headers and --body are needed: the files of a captured request\n"},
        {{"--provider", "maesn", "--headers", "h", "--body", "b", NULL},
         "maesn-bridge verify: --secret-file is missing, expected the file of the route's "
         "secret\n"},
        {{"--provider", "maesn", "--headers", "h", "--body", "b", "--secret-file=s",
          "--tolerance=86401", NULL},
         "maesn-bridge verify: --tolerance: 86401, expected seconds from 0 to 86400\n"},
        {{"--provider", "maesn", "--headers", "h", "--body", "b", "--secret-file=s",
          "--received-at=soon", NULL},
         "maesn-bridge verify: --received-at: soon, expected now or a time like "
         "2026-01-02T03:04:05Z\n"},
    };
    CLEANUP(bench_done) struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(run(&b, rows[i].args), EXIT_CODE_USAGE);
        assert_string_equal(buf_text(&b.said), rows[i].said);
    }
    assert_int_equal(run_files(&b, "maesn", NULL), EXIT_CODE_USAGE);
    assert_non_null(strstr(buf_text(&b.said), "/headers"));
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_captured_request_passes_from_raw_headers_and_from_curl),
        cmocka_unit_test(each_usual_mistake_is_named),
        cmocka_unit_test(a_base64_signature_is_named),
        cmocka_unit_test(moneybirds_timestamp_is_judged_when_the_time_of_receipt_is_known),
        cmocka_unit_test(a_moneybird_signature_over_the_body_alone_is_named),
        cmocka_unit_test(the_answer_is_json_where_that_is_wanted),
        cmocka_unit_test(a_wrong_use_is_told_and_is_64),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
