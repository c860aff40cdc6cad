#include "bridge/base/roff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *text;
    const char *expected;
} texts[] = {
    {"", ""},
    {"one two\nthree", "one two three\n"},
    /* what means something to roff is escaped: at the beginning of a line, and everywhere */
    {".SH no request", "\\&.SH no request\n"},
    {"'br no request", "\\(aqbr no request\n"},
    {"a-b ~ ^ \\ \"c\"", "a\\-b \\(ti \\(ha \\(rs \\(dqc\\(dq\n"},
    /* code is bold, also over a space */
    {"see `a.b`, `c d`.", "see \\fBa.b\\fR, \\fBc d\\fR.\n"},
    /* an empty line makes a paragraph, but not at the beginning or the end */
    {"\none\n\ntwo\n\n", "one\n.PP\ntwo\n"},
    /* lines that begin with a space are kept, two of their spaces in the indentation */
    {"as:\n\n  $ x -y\n    .z\n\nend", "as:\n.RS 4\n.nf\n$ x \\-y\n  .z\n.fi\n.RE\n.PP\nend\n"},
    {"as\n  .x\nend", "as\n.RS 4\n.nf\n\\&.x\n.fi\n.RE\nend\n"},
    /* a line of the source ends before 78 columns; a dot that comes first then is no request's */
    {"123456789 123456789 123456789 123456789 123456789 123456789 123456789 1234567 .x",
     "123456789 123456789 123456789 123456789 123456789 123456789 123456789 1234567\n\\&.x\n"},
};

static void text_reads_the_same_once_it_is_typeset(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buf b;
        buf_init(&b, 4096);
        roff_text(&b, texts[i].text);
        assert_string_equal(buf_text(&b), texts[i].expected);
        buf_done(&b);
    }
}

static void macros_and_entries_take_any_argument(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    roff_title(&b, &(struct roff_title){"X-Y", "1", "2026-12-31", "x-y 1.0", "User commands"});
    roff_macro(&b, "SH", "a \"b\"");
    roff_entry(&b, "--x", "FILE");
    roff_entry(&b, "--y", "");
    assert_string_equal(buf_text(&b),
                        ".TH \"X\\-Y\" 1 2026-12-31 \"x\\-y 1.0\" \"User commands\"\n.nh\n.ad l\n"
                        ".SH \"a \\(dqb\\(dq\"\n"
                        ".TP\n\\fB\\-\\-x\\fR \\fIFILE\\fR\n"
                        ".TP\n\\fB\\-\\-y\\fR\n");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_reads_the_same_once_it_is_typeset),
        cmocka_unit_test(macros_and_entries_take_any_argument),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
