#include "bridge/dev/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

/* What a view wrote, to be released with free(). */
static char *written(const struct view_options *like, void (*draw)(struct view *v))
{
    char *text = NULL;
    size_t len = 0;
    struct view_options opt = *like;
    opt.out = opt.err = open_memstream(&text, &len);
    assert_non_null(opt.out);
    struct view *v;
    assert_int_equal(view_new(&opt, &v), STATUS_OK);
    draw(v);
    view_free(v);
    fclose(opt.out);
    return text;
}

static struct arrival sample(struct bytes value)
{
    struct arrival a = {.record = {.topic = "maesn.invoice",
                                   .key = BYTES_LITERAL("INVOICE:acme-42"),
                                   .value = value},
                        .partition = 3,
                        .offset = 17};
    record_add_header(&a.record, "ce_id", BYTES_LITERAL("0123456789abcdef0123456789abcdef"));
    record_add_header(&a.record, "ce_type", BYTES_LITERAL("com.maesn.invoice.updated"));
    return a;
}

static void draw_sample(struct view *v)
{
    struct arrival a = sample(BYTES_LITERAL("{\"resource\":\"INVOICE\",\"resourceId\":\"42\"}"));
    view_arrival(v, &a);
}

static void draw_bare_record(struct view *v)
{
    const struct arrival a = {.record = {.topic = "other"}};
    view_arrival(v, &a);
}

static void draw_hostile_value(struct view *v)
{
    struct arrival a = sample(BYTES_LITERAL("a\x1b[31mb\nc\td\xff\xc2\x9b\xc3\xa9"));
    view_arrival(v, &a);
}

static void a_pipe_gets_one_line_a_record(void **state)
{
    (void)state;
    char *text = written(&(struct view_options){.style = VIEW_PLAIN}, draw_sample);
    assert_string_equal(text,
                        "maesn.invoice\t3\tINVOICE:acme-42\t0123456789abcdef0123456789abcdef\t"
                        "com.maesn.invoice.updated\t"
                        "{\"resource\":\"INVOICE\",\"resourceId\":\"42\"}\n");
    free(text);
}

static void what_a_record_lacks_is_a_dash(void **state)
{
    (void)state;
    char *text = written(&(struct view_options){.style = VIEW_PLAIN}, draw_bare_record);
    assert_string_equal(text, "other\t0\t-\t-\t-\t-\n");
    free(text);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    (void)state;
    char *text = written(&(struct view_options){.style = VIEW_PLAIN}, draw_hostile_value);
    assert_string_equal(strrchr(text, '\t'), "\ta?[31mb c d???\xc3\xa9\n");
    free(text);
}

static void json_keeps_the_value_byte_for_byte(void **state)
{
    (void)state;
    char *text = written(&(struct view_options){.style = VIEW_JSON}, draw_sample);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json_t *record = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(record);
    assert_string_equal(json_string_value(json_object_get(record, "topic")), "maesn.invoice");
    assert_int_equal(json_integer_value(json_object_get(record, "partition")), 3);
    assert_int_equal(json_integer_value(json_object_get(record, "offset")), 17);
    assert_string_equal(json_string_value(json_object_get(record, "key")), "INVOICE:acme-42");
    assert_string_equal(json_string_value(json_object_get(record, "ce_id")),
                        "0123456789abcdef0123456789abcdef");
    assert_string_equal(json_string_value(json_object_get(record, "ce_type")),
                        "com.maesn.invoice.updated");
    assert_int_equal(json_object_size(json_object_get(record, "headers")), 2);
    assert_string_equal(json_string_value(json_object_get(record, "value")),
                        "{\"resource\":\"INVOICE\",\"resourceId\":\"42\"}");
    json_decref(record);
    free(text);
}

static void json_tells_no_value_from_an_empty_one(void **state)
{
    (void)state;
    char *text = written(&(struct view_options){.style = VIEW_JSON}, draw_bare_record);
    assert_string_equal(text, "{\"topic\":\"other\",\"partition\":0,\"offset\":0,\"key\":null,"
                              "\"ce_id\":null,\"ce_type\":null,\"headers\":{},\"value\":null}\n");
    free(text);
}

/* The characters of each line, which here are all one column wide. */
static void assert_lines_fit(const char *text, size_t width)
{
    size_t columns = 0;
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text & 0xc0) != 0x80)
            columns++;
        if (*text == '\n') {
            assert_in_range(columns - 1, 0, width);
            columns = 0;
        }
    }
}

static void a_row_fits_a_terminal_of_any_width(void **state)
{
    (void)state;
    for (unsigned width = 60; width < 260; width++) {
        char *text =
            written(&(struct view_options){.style = VIEW_TERMINAL, .width = width}, draw_sample);
        assert_lines_fit(text, width);
        free(text);
    }
}

static void a_narrow_terminal_gets_two_lines_a_record(void **state)
{
    (void)state;
    char *text = written(&(struct view_options){.style = VIEW_TERMINAL, .width = 80}, draw_sample);
    assert_string_equal(
        text, "maesn.invoice        3   INVOICE:acme-42           com.maesn.invoice.updated\n"
              "  0123456789a…  {\"resource\":\"INVOICE\",\"resourceId\":\"42\"}\n");
    free(text);
}

static void draw_status_and_record(struct view *v)
{
    view_status(v, &(struct ledger_totals){.sent = 2}, 1000);
    draw_sample(v);
}

static void a_record_takes_the_status_line_away(void **state)
{
    (void)state;
    char *text = written(&(struct view_options){.style = VIEW_TERMINAL, .width = 80},
                         draw_status_and_record);
    assert_non_null(strstr(text, "sent 2"));
    assert_non_null(strstr(text, "\r\x1b[Kmaesn.invoice "));
    free(text);
}

static void draw_books_with_a_loss(struct view *v)
{
    view_summary(
        v, &(struct ledger_totals){.sent = 3, .answered_200 = 3, .received = 2, .missing = 1});
}

static void the_books_name_a_loss(void **state)
{
    (void)state;
    char *text = written(&(struct view_options){.style = VIEW_PLAIN}, draw_books_with_a_loss);
    assert_non_null(strstr(text, "lost                         1"));
    assert_null(strstr(text, "every event answered 200 is in Kafka"));
    free(text);

    text = written(&(struct view_options){.style = VIEW_JSON}, draw_books_with_a_loss);
    assert_string_equal(
        text,
        "{\"summary\":{\"sent\":3,\"answered_200\":3,\"answered_otherwise\":0,"
        "\"unanswered\":0,\"forged\":0,\"forged_refused\":0,\"forged_accepted\":0,"
        "\"forged_received\":0,\"received\":2,\"by_others\":0,\"duplicates\":0,\"lost\":1}}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gets_one_line_a_record),
        cmocka_unit_test(what_a_record_lacks_is_a_dash),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(json_keeps_the_value_byte_for_byte),
        cmocka_unit_test(json_tells_no_value_from_an_empty_one),
        cmocka_unit_test(a_row_fits_a_terminal_of_any_width),
        cmocka_unit_test(a_narrow_terminal_gets_two_lines_a_record),
        cmocka_unit_test(a_record_takes_the_status_line_away),
        cmocka_unit_test(the_books_name_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
