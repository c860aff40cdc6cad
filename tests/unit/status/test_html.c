#include "bridge/status/html.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static void a_text_means_only_itself(void **state)
{
    static const struct {
        const char *text;
        const char *html;
    } rows[] = {
        {"acme-42", "acme-42"},
        {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
        {"\" onload='x' &lt;", "&quot; onload=&#39;x&#39; &amp;lt;"},
        {"a\nb\x7f\x01", "a\xef\xbf\xbd"
                         "b\xef\xbf\xbd\xef\xbf\xbd"}, /* control characters */
        {"\xc2\x85", "\xef\xbf\xbd"},                  /* one beyond ASCII */
        {"M\xc3\xbcller \xe2\x82\xac", "M\xc3\xbcller \xe2\x82\xac"},
        {"\xc3(\xff", "\xef\xbf\xbd(\xef\xbf\xbd"},           /* no UTF-8 */
        {"\xc0\xbcscript", "\xef\xbf\xbd\xef\xbf\xbdscript"}, /* "<", overlong */
        {"", ""},
        {NULL, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_done) struct buf b;
        buf_init(&b, 4096);
        html_text(&b, rows[i].text);
        assert_string_equal(buf_text(&b), rows[i].html);
    }
}

static void a_query_value_is_percent_encoded(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 4096);
    html_query_value(&b, "a-1&b=\"<\xc3\xbc ~");
    assert_string_equal(buf_text(&b), "a-1%26b%3D%22%3C%C3%BC%20~");
}

static void a_distance_carries_its_instant(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 4096);
    html_distance(&b, 1795293215000, 1795293215000 + 180000);
    assert_string_equal(buf_text(&b), "<time datetime=\"2026-11-21T20:33:35Z\" "
                                      "title=\"2026-11-21T20:33:35Z\">3 min ago</time>");
    b.len = 0;
    html_distance(&b, 0, 1795293215000);
    assert_string_equal(buf_text(&b), "never");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_means_only_itself),
        cmocka_unit_test(a_query_value_is_percent_encoded),
        cmocka_unit_test(a_distance_carries_its_instant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
