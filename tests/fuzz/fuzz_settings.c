/* bridge.yaml: accepted or refused with a reason that has a place, and what is accepted is printed
 * so that it reads as the same. A first line "# for all", "# for the ingress" or "# for the
 * reconciler" says who reads it; else it is anybody. */
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/scoped.h"
#include "bridge/providers/providers.h"
#include "bridge/settings/document.h"
#include "bridge/settings/settings.h"
#include "tests/fuzz/fuzz.h"

DEFINE_CLEANUP(struct settings *, settings_free)

static enum settings_process process;
static bool names_secret; /* the input itself: libFuzzer finds what memory is compared with */

void fuzz_start(void)
{
    fuzz_write("secrets/key", BYTES_LITERAL("a-secret\n"));
    fuzz_write("secrets/maesn-api-key", BYTES_LITERAL("a-secret\n")); /* what the default names */
    fuzz_write("secrets/exposed", BYTES_LITERAL("a-secret\n"));
    fuzz_write(
        "secrets/keyring",
        BYTES_LITERAL("a:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"));
    fuzz_write("routes.d/routes.yaml",
               BYTES_LITERAL("routes:\n- {path: /in/a, provider: maesn, account: a, system: xero, "
                             "secret_file: ../secrets/key}\n"));
    fuzz_write("accounts.d/accounts.yaml",
               BYTES_LITERAL("accounts:\n- {id: a, provider: maesn, system: xero, "
                             "account_key_file: ../secrets/key, subscriptions: all}\n"));
    FUZZ_ASSERT(chdir(fuzz_directory()) == 0);
    FUZZ_ASSERT(chmod("secrets/exposed", 0644) == 0);
}

static void check_json(const struct buf *text)
{
    json_t *json = json_loadb((const char *)text->data, text->len, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_ASSERT(json != NULL);
    json_decref(json);
}

/* Each has a place in a file that was read, and is one line of its own. */
static void check_problems(const struct problems *p)
{
    CLEANUP(buf_done) struct buf text;
    CLEANUP(buf_done) struct buf json;
    size_t lines = 0;
    buf_init(&text, 4U << 20);
    buf_init(&json, 4U << 20);
    for (size_t i = 0; i < p->len; i++)
        FUZZ_ASSERT(p->items[i].place.line >= 1 && p->items[i].text[0] != '\0');
    problems_print(p, &text);
    buf_append_text(&json, "{");
    problems_print_json(p, &json);
    buf_append_text(&json, "}");
    if (fuzz_is_nomem(text.status) || fuzz_is_nomem(json.status) || fuzz_is_nomem(p->status))
        return;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    FUZZ_ASSERT(lines == p->len + (p->errors + p->warnings > p->len));
    check_json(&json);
}

static enum status load(const char *file, struct settings **ret)
{
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(paths_done) struct paths read;
    problems_init(&problems);
    paths_init(&read);
    enum status status = settings_load(file, process, providers_all, NULL, ret, &problems, &read);
    if (!fuzz_is_nomem(status)) {
        FUZZ_ASSERT(status == (problems.errors > 0 ? STATUS_INVALID : STATUS_OK));
        check_problems(&problems);
    }
    return status;
}

/* Masked secrets and resolved paths apart, the text is a bridge.yaml that means the same. */
static void check_printed(const struct settings *s)
{
    CLEANUP(buf_done) struct buf text;
    CLEANUP(buf_done) struct buf json;
    CLEANUP(problems_done) struct problems problems;
    buf_init(&text, 8U << 20);
    buf_init(&json, 8U << 20);
    problems_init(&problems);
    settings_print(s, &text);
    settings_print_json(s, &json);
    if (fuzz_is_nomem(text.status) || fuzz_is_nomem(json.status))
        return;
    check_json(&json);
    FUZZ_ASSERT(names_secret || memmem(text.data, text.len, "a-secret", 8) == NULL);
    struct node *root = document_parse("printed", buf_bytes(&text), fuzz_arena(), &problems);
    if (!fuzz_is_nomem(problems.status))
        FUZZ_ASSERT(root != NULL && problems.len == 0);

    /* For one process files may be away that a default names; printed, they are asked for. So is
     * the file of a property whose path was masked; and no public_base_url is an empty one. */
    bool is_masked = memmem(text.data, text.len, "\"***\"", 5) != NULL;
    if (process != SETTINGS_ALL || is_masked || s->public_base_url[0] == '\0')
        return;
    fuzz_write("printed.yaml", buf_bytes(&text));
    CLEANUP(settings_free_scoped) struct settings *again = NULL;
    if (fuzz_is_nomem(load("printed.yaml", &again)))
        return;
    FUZZ_ASSERT(again != NULL);
    CLEANUP(buf_done) struct buf different;
    buf_init(&different, 65536);
    size_t len = settings_restart_required(s, again, &different);
    FUZZ_ASSERT(len == 0 || fuzz_is_short_of_memory());
}

static enum settings_process reader_of(struct bytes input)
{
    static const char *const lines[] = {[SETTINGS_ALL] = "# for all",
                                        [SETTINGS_INGRESS] = "# for the ingress",
                                        [SETTINGS_RECONCILER] = "# for the reconciler"};
    struct bytes line = fuzz_line(&input);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (bytes_equal(line, bytes_of_text(lines[i])))
            return (enum settings_process)i;
    return (enum settings_process)fuzz_choose(sizeof(lines) / sizeof(lines[0]));
}

void fuzz_one(struct bytes input)
{
    CLEANUP(settings_free_scoped) struct settings *s = NULL;
    process = reader_of(input);
    names_secret = input.len > 0 && memmem(input.data, input.len, "a-secret", 8) != NULL;
    fuzz_write("bridge.yaml", input);
    if (load("bridge.yaml", &s) != STATUS_OK)
        FUZZ_ASSERT(s == NULL);
    else
        check_printed(s);
}
