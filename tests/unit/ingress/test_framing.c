#include "bridge/ingress/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct provider maesn = {.name = "maesn", .signature_header = "X-MAESN-SIGNATURE"};
static const struct provider moneybird = {.name = "moneybird",
                                          .signature_header = "Moneybird-Signature"};
static const struct provider *const providers[] = {&maesn, &moneybird, NULL};

struct row {
    const char *fields[5]; /* "name:value" */
    enum framing_verdict verdict;
};

static const struct row rows[] = {
    /* none at all: an empty body */
    {{"Host:b"}, FRAMING_FINE},
    {{"Host:b", "Content-Length:22"}, FRAMING_FINE},
    {{"Host:b", "content-LENGTH:0"}, FRAMING_FINE},
    {{"Host:b", "Transfer-Encoding:chunked"}, FRAMING_FINE},
    {{"Host:b", "transfer-encoding:CHUNKED"}, FRAMING_FINE},
    /* two that could disagree, even where they do not */
    {{"Content-Length:22", "Content-Length:22"}, FRAMING_REFUSED},
    {{"Content-Length:22", "content-length:5"}, FRAMING_REFUSED},
    {{"Content-Length:22", "Transfer-Encoding:chunked"}, FRAMING_REFUSED},
    {{"Transfer-Encoding:chunked", "Content-Length:22"}, FRAMING_REFUSED},
    {{"Transfer-Encoding:chunked", "Transfer-Encoding:chunked"}, FRAMING_REFUSED},
    {{"Host:a", "Host:b"}, FRAMING_REFUSED},
    /* codings that are not undone here, or are none */
    {{"Transfer-Encoding:gzip, chunked"}, FRAMING_REFUSED},
    {{"Transfer-Encoding:identity"}, FRAMING_REFUSED},
    {{"Transfer-Encoding:\x0b"
      "chunked"},
     FRAMING_REFUSED},
    {{"Transfer-Encoding:"}, FRAMING_REFUSED},
    /* lengths that are no number */
    {{"Content-Length:"}, FRAMING_REFUSED},
    {{"Content-Length:-1"}, FRAMING_REFUSED},
    {{"Content-Length:+1"}, FRAMING_REFUSED},
    {{"Content-Length:1 "}, FRAMING_REFUSED},
    {{"Content-Length:1,1"}, FRAMING_REFUSED},
    {{"Content-Length:0x10"}, FRAMING_REFUSED},
    {{"Content-Length:18446744073709551616"}, FRAMING_REFUSED},
    /* names that are no token */
    {{" Host:b"}, FRAMING_REFUSED},
    {{"Content-Length :22"}, FRAMING_REFUSED},
    {{":empty"}, FRAMING_REFUSED},
    {{"X\x80:y"}, FRAMING_REFUSED},
    /* one signature of each provider, in any case of its name */
    {{"X-MAESN-SIGNATURE:a", "Moneybird-Signature:b"}, FRAMING_FINE},
    {{"X-MAESN-SIGNATURE:a", "x-maesn-signature:a"}, FRAMING_REFUSED},
    {{"Moneybird-Signature:a", "Host:b", "MONEYBIRD-SIGNATURE:b"}, FRAMING_REFUSED},
    {{"X-Other-Signature:a", "X-Other-Signature:b"}, FRAMING_FINE},
    /* expectations; a refusal comes first */
    {{"Expect:100-continue", "Content-Length:1"}, FRAMING_FINE},
    {{"expect:100-CONTINUE"}, FRAMING_FINE},
    {{"Expect:a-miracle"}, FRAMING_UNEXPECTED},
    {{"Expect:a-miracle", "Content-Length:x"}, FRAMING_REFUSED},
};

static void every_header_block_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct framing f = {.providers = providers};
        for (size_t k = 0; k < 5 && rows[i].fields[k] != NULL; k++) {
            const char *field = rows[i].fields[k], *colon = strchr(field, ':');
            framing_see(&f, bytes_of(field, (size_t)(colon - field)), bytes_of_text(colon + 1));
        }
        if (framing_judge(&f) != rows[i].verdict)
            fail_msg("row %zu, %s: %d instead of %d", i, rows[i].fields[0], framing_judge(&f),
                     rows[i].verdict);
    }
}

static void the_announced_length_is_told(void **state)
{
    (void)state;
    struct framing f = {.providers = providers};
    framing_see(&f, BYTES_LITERAL("Content-Length"), BYTES_LITERAL("9999999999999"));
    assert_true(f.content_length == 9999999999999);
    assert_int_equal(framing_judge(&f), FRAMING_FINE);
}

static void a_path_is_decoded_exactly_once(void **state)
{
    (void)state;
    const struct {
        const char *target, *path; /* NULL: it cannot be one */
    } paths[] = {
        {"/in/a", "/in/a"},
        {"/in%2Fa", "/in/a"},
        {"/in%2fa%20b", "/in/a b"},
        {"/in/%252F", "/in/%2F"},
        {"/in/a+b", "/in/a+b"},
        {"/in/%c3%a9", "/in/\xc3\xa9"},
        {"", ""},
        {"/in/%00", NULL},
        {"/in/a%00b", NULL},
        {"/in/%", NULL},
        {"/in/%4", NULL},
        {"/in/%zz", NULL},
        {"/in/%4%31", NULL},
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char path[64];
        bool decoded = framing_decode_path(paths[i].target, path, sizeof(path));
        assert_int_equal(decoded, paths[i].path != NULL);
        if (decoded)
            assert_string_equal(path, paths[i].path);
    }
}

static void a_path_that_does_not_fit_is_none(void **state)
{
    (void)state;
    char path[6];
    assert_true(framing_decode_path("/in/a", path, sizeof(path)));
    assert_false(framing_decode_path("/in/ab", path, sizeof(path)));
    assert_true(framing_decode_path("/in/%61", path, sizeof(path)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_header_block_is_judged),
        cmocka_unit_test(the_announced_length_is_told),
        cmocka_unit_test(a_path_is_decoded_exactly_once),
        cmocka_unit_test(a_path_that_does_not_fit_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
