#include "bridge/domain/specification.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define A_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void a_specification_is_named_in_lower_kebab_case(void **state)
{
    static const struct {
        const char *provider, *account, *resource, *event, *text;
    } rows[] = {
        {"maesn", "acme-42", "JOURNAL_ENTRY", "CREATED", "maesn/acme-42/journal-entry/created"},
        {"maesn", "acme-42", "Invoice", NULL, "maesn/acme-42/invoice/all"}, /* every event */
        {"moneybird", "0", NULL, NULL, "moneybird/0/all/all"},              /* everything */
        {"maesn", A_63, "a", "b", "maesn/" A_63 "/a/b"}, /* an account as long as it may be */
        {"maesn", "a", A_63 "abc", NULL, "maesn/a/" A_63 "a/all"}, /* a resource that is cut */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct specification s, read;
        char text[SPECIFICATION_TEXT_SIZE];
        assert_true(specification_set(&s, rows[i].provider, rows[i].account, rows[i].resource,
                                      rows[i].event));
        specification_text(&s, text);
        assert_string_equal(text, rows[i].text);
        assert_true(specification_parse(bytes_of_text(text), &read));
        assert_true(specification_equal(&s, &read));
    }
}

static void a_name_without_a_form_in_a_url_is_refused(void **state)
{
    static const struct {
        const char *provider, *account, *resource, *event;
    } rows[] = {
        {"Maesn", "a", "INVOICE", NULL},       /* a provider in capitals */
        {"", "a", "INVOICE", NULL},            /* none */
        {A_63, "a", "INVOICE", NULL},          /* one that is too long */
        {"maesn", "A", "INVOICE", NULL},       /* no account id */
        {"maesn", "-a", "INVOICE", NULL},      /* nor this */
        {"maesn", "", "INVOICE", NULL},        /* nor this */
        {"maesn", A_63 "a", "INVOICE", NULL},  /* too long by one */
        {"maesn", "a", "___", NULL},           /* a resource of which nothing is left */
        {"maesn", "a", "", NULL},              /* an empty one */
        {"maesn", "a", "INVOICE", "\xc3\xa9"}, /* an event type without a letter of ASCII */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct specification s;
        assert_false(specification_set(&s, rows[i].provider, rows[i].account, rows[i].resource,
                                       rows[i].event));
    }
}

static void only_a_specifications_own_text_is_read(void **state)
{
    static const char *const rows[] = {
        "",
        "maesn",
        "maesn/a/invoice",           /* a part is missing */
        "maesn/a/invoice/all/",      /* an empty one too many */
        "maesn/a/invoice/all/x",     /* one too many */
        "/maesn/a/invoice/all",      /* an empty one before */
        "maesn//invoice/all",        /* an empty account */
        "maesn/a//all",              /* an empty resource */
        "maesn/a/INVOICE/all",       /* capitals */
        "maesn/a/journal_entry/all", /* no kebab */
        "maesn/a/journal--entry/all",
        "maesn/a/-invoice/all",
        "maesn/a/invoice-/all",
        "maesn/a/invoice/all ",
        "maesn/" A_63 "a/invoice/all", /* too long an account */
        "maesn/a/" A_63 "aa/all",      /* too long a resource */
        "maesn/a/../all",
    };
    (void)state;
    struct specification s;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(specification_parse(bytes_of_text(rows[i]), &s));
    assert_false(specification_parse(BYTES_LITERAL("maesn/a/invoice/al\0"), &s));
    assert_false(specification_parse(BYTES_LITERAL("maesn/a\0b/invoice/all"), &s));
    assert_false(specification_parse(bytes_of(NULL, 0), &s));
    assert_true(specification_parse(BYTES_LITERAL("maesn/a/invoice/all"), &s));
}

static void specifications_differ_in_any_part(void **state)
{
    static const char *const rows[] = {"maesn/a/b/c", "maesm/a/b/c", "maesn/b/b/c", "maesn/a/c/c",
                                       "maesn/a/b/d"};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++) {
            struct specification a, b;
            assert_true(specification_parse(bytes_of_text(rows[i]), &a));
            assert_true(specification_parse(bytes_of_text(rows[j]), &b));
            assert_int_equal(specification_equal(&a, &b), i == j);
        }
}

static void a_wire_name_is_upper_case_with_underscores(void **state)
{
    static const struct {
        const char *part, *name;
    } rows[] = {
        {"journal-entry", "JOURNAL_ENTRY"},
        {"token", "TOKEN"},
        {"v2-x", "V2_X"},
        {"all", NULL}, /* the field is left out */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[SPECIFICATION_PART_MAX + 1];
        const char *name = specification_wire_name(rows[i].part, text);
        if (rows[i].name == NULL)
            assert_null(name);
        else
            assert_string_equal(name, rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_specification_is_named_in_lower_kebab_case),
        cmocka_unit_test(a_name_without_a_form_in_a_url_is_refused),
        cmocka_unit_test(only_a_specifications_own_text_is_read),
        cmocka_unit_test(specifications_differ_in_any_part),
        cmocka_unit_test(a_wire_name_is_upper_case_with_underscores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
