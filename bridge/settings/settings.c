#include "bridge/settings/settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/settings/account_files.h"
#include "bridge/settings/constraints.h"
#include "bridge/settings/load.h"
#include "bridge/settings/route_files.h"
#include "bridge/settings/topics.h"

/* Longer than every key, also a misspelt one that is worth a suggestion. */
#define KEY_MAX 256

/* The settings' own texts: bounded by the sizes and numbers of the files. */
static const size_t arena_max = (size_t)4 << 30;
/* The nodes of bridge.yaml: a node takes a hundred bytes and may come from two. */
static const size_t nodes_max = (size_t)128 << 20;

/* --- the table ----------------------------------------------------------------------------- */

#define REQUIRED SETTING_REQUIRED
#define INGRESS SETTING_INGRESS
#define RECONCILER SETTING_RECONCILER
#define RELOADED SETTING_RELOADED
#define PRIVATE SETTING_PRIVATE
/* A number's default is written without quotes. */
#define DEFAULT_U32(x) #x
#define DEFAULT_I64(x) #x
#define DEFAULT_BOOL(x) x
#define DEFAULT_ENUM(x) x
#define DEFAULT_TEXT(x) x
#define DEFAULT_TOPIC(x) x
#define DEFAULT_FILE(x) x
#define DEFAULT_SECRET(x) x
#define DEFAULT_DIRECTORY(x) x
#define DEFAULT_PATH(x) x
#define DEFAULT_ADDRESS(x) x
#define DEFAULT_BROKERS(x) x
#define DEFAULT_URL(x) x
#define DEFAULT_PUBLIC_URL(x) x
#define DEFAULT_PUBLIC_URLS(x) x
#define DEFAULT_PROPERTIES(x) x
#define DEFAULT_INTEGRATIONS(x) x

const struct setting settings_table[SETTINGS_LEN] = {
#define S(kind_, key_, member_, default_, min_, max_, unit_, flags_, doc_)                         \
    {.kind = SETTING_##kind_,                                                                      \
     .flags = flags_,                                                                              \
     .key = key_,                                                                                  \
     .default_text = DEFAULT_##kind_(default_),                                                    \
     .min = min_,                                                                                  \
     .max = max_,                                                                                  \
     .unit = unit_,                                                                                \
     .doc = doc_,                                                                                  \
     .offset = offsetof(struct settings, member_)},
#include "bridge/settings/settings.def"
#undef S
};

/* --- walking bridge.yaml ------------------------------------------------------------------- */

static int find_row(const char *key)
{
    for (int id = 0; id < SETTINGS_LEN; id++)
        if (strcmp(settings_table[id].key, key) == 0)
            return id;
    return -1;
}

static bool is_section(const char *key)
{
    size_t len = strlen(key);
    for (size_t id = 0; id < SETTINGS_LEN; id++)
        if (strncmp(settings_table[id].key, key, len) == 0 && settings_table[id].key[len] == '.')
            return true;
    return false;
}

/* Fills names with every key and section below the section of this prefix ("kafka." or ""). */
struct candidates {
    char texts[SETTINGS_LEN][KEY_MAX];
    const char *names[SETTINGS_LEN + 1];
};

static const char *suggest(const char *prefix, const char *name, struct candidates *c)
{
    size_t len = 0, prefix_len = strlen(prefix);
    for (size_t id = 0; id < SETTINGS_LEN; id++) {
        const char *key = settings_table[id].key;
        if (strncmp(key, prefix, prefix_len) != 0)
            continue;
        snprintf(c->texts[len], KEY_MAX, "%.*s", (int)strcspn(key + prefix_len, "."),
                 key + prefix_len);
        c->names[len] = c->texts[len];
        len++;
    }
    c->names[len] = NULL;
    return load_suggest(c->names, name);
}

/* A key that is right but stands elsewhere: "brokers" is "kafka.brokers". */
static const char *elsewhere(const char *name)
{
    for (size_t id = 0; id < SETTINGS_LEN; id++) {
        const char *dot = strrchr(settings_table[id].key, '.');
        if (dot != NULL && strcmp(dot + 1, name) == 0)
            return settings_table[id].key;
    }
    return NULL;
}

static void refuse_unknown(struct load *l, const char *prefix, const char *key,
                           const struct node *n)
{
    struct candidates *candidates = malloc(sizeof(*candidates));
    if (candidates == NULL) {
        l->problems->status = STATUS_NOMEM;
        return;
    }
    const char *nearest = suggest(prefix, n->key, candidates), *other = elsewhere(n->key);
    if (strchr(n->key, '.') != NULL && (find_row(key) >= 0 || is_section(key)))
        load_error(l, n->key_place, key, "a key with a dot, expected a map in a map");
    else if (nearest != NULL)
        load_error(l, n->key_place, key, "unknown key (did you mean \"%s%s\"?)", prefix, nearest);
    else if (other != NULL)
        load_error(l, n->key_place, key, "unknown key (did you mean \"%s\"?)", other);
    else
        load_error(l, n->key_place, key, "unknown key");
    free(candidates);
}

static void read_map(struct load *l, const char *prefix, const struct node *map);

/* NOLINTNEXTLINE(misc-no-recursion): ends with the table's depth, a section is a prefix of a key */
static void read_value(struct load *l, const char *prefix, const struct node *n)
{
    char key[KEY_MAX];
    snprintf(key, sizeof(key), "%s%s", prefix, n->key);
    int id = strchr(n->key, '.') == NULL ? find_row(key) : -1;
    if (id >= 0) {
        struct origin *origin = &l->settings->origins[id];
        if (origin->file != NULL) /* a duplicate, which the document has told of */
            return;
        *origin = (struct origin){l->settings->file, n->place.line, n->place.column};
        const struct setting *row = &settings_table[id];
        setting_read(row, n, l, (char *)l->settings + row->offset);
    } else if (strchr(n->key, '.') != NULL || !is_section(key)) {
        refuse_unknown(l, prefix, key, n);
    } else if (n->kind == NODE_MAP && strlen(key) + 2 < sizeof(key)) {
        char section[KEY_MAX + 1];
        snprintf(section, sizeof(section), "%s.", key);
        read_map(l, section, n);
    } else if (!node_is_null(n)) { /* a section whose keys are all commented out is one */
        load_mistyped(l, n, key, "a map");
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): see read_value() */
static void read_map(struct load *l, const char *prefix, const struct node *map)
{
    for (const struct node *n = map->first; n != NULL; n = n->next)
        read_value(l, prefix, n);
}

/* --- loading ------------------------------------------------------------------------------- */

DEFINE_CLEANUP(struct arena *, arena_free)

/* Returns whether the file is a map, so that what is missing in it is worth telling. */
static bool read_settings_file(struct load *l)
{
    for (size_t id = 0; id < SETTINGS_LEN; id++)
        setting_read_default(&settings_table[id], l,
                             (char *)l->settings + settings_table[id].offset);
    CLEANUP(arena_free_scoped) struct arena *a = arena_new(nodes_max);
    if (a == NULL) {
        l->problems->status = STATUS_NOMEM;
        return false;
    }
    const struct node *root = load_document(l, l->settings->file, LOAD_SETTINGS_MAX, a);
    if (root == NULL)
        return false;
    if (root->kind != NODE_MAP) {
        load_mistyped(l, root, "(file)", "a map");
        return false;
    }
    read_map(l, "", root);
    return true;
}

static void warn_of_exposed_files(struct load *l)
{
    if (l->exposed_len == 1)
        load_warning(l, l->exposed, l->exposed_key,
                     "%s: everyone can read it, expected mode 0640 or less", l->exposed_file);
    else if (l->exposed_len > 1)
        load_warning(l, l->exposed, l->exposed_key,
                     "%s (and %zu more): everyone can read it, expected mode 0640 or less",
                     l->exposed_file, l->exposed_len - 1);
}

static void read_everything(struct load *l)
{
    bool readable = read_settings_file(l);
    if (readable) {
        topics_check(l);
        constraints_check(l);
        constraints_check_files(l);
    }
    if (l->settings->process != SETTINGS_RECONCILER) {
        route_files_read(l);
        topics_check_routes(l);
    }
    if (l->settings->process != SETTINGS_INGRESS)
        account_files_read(l);
    warn_of_exposed_files(l);
}

static struct settings *settings_new(const char *file, enum settings_process process)
{
    struct settings *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->process = process;
    s->arena = arena_new(arena_max);
    s->file = s->arena == NULL ? NULL : arena_dup(s->arena, bytes_of_text(file));
    if (s->file != NULL)
        return s;
    settings_free(s);
    return NULL;
}

void settings_drop_declared(struct settings *s)
{
    for (size_t i = 0; i < s->routes_len; i++)
        route_unref(s->routes[i]);
    free(s->routes);
    account_files_done(s->accounts, s->accounts_len);
    s->routes = NULL;
    s->accounts = NULL;
    s->routes_len = s->accounts_len = 0;
}

void settings_free(struct settings *s)
{
    if (s == NULL)
        return;
    settings_drop_declared(s);
    arena_free(s->arena);
    free(s);
}

DEFINE_CLEANUP(struct settings *, settings_free)

/* What is to be done with what was read. */
static enum status judge(const struct load *l)
{
    if (l->problems->status != STATUS_OK)
        return l->problems->status;
    if (l->read->status != STATUS_OK)
        return l->read->status;
    return l->problems->errors > 0 ? STATUS_INVALID : STATUS_OK;
}

enum status settings_load(const char *file, enum settings_process process,
                          const struct provider *const providers[], settings_check_fn *check,
                          struct settings **ret, struct problems *problems, struct paths *read)
{
    CLEANUP(settings_free_scoped) struct settings *s = settings_new(file, process);
    if (s == NULL)
        return STATUS_NOMEM;
    CLEANUP(paths_done) struct paths unwanted;
    paths_init(&unwanted);
    struct load l = {.settings = s,
                     .providers = providers,
                     .problems = problems,
                     .read = read == NULL ? &unwanted : read};
    read_everything(&l);
    enum status status = check == NULL ? STATUS_OK : check(s, problems);
    problems_sort(problems);
    if (status == STATUS_OK)
        status = judge(&l);
    if (status == STATUS_OK)
        *ret = TAKE(s);
    return status;
}

enum status settings_load_accounts(const struct settings *of, const char *file,
                                   const struct provider *const providers[], struct settings **ret,
                                   struct problems *problems)
{
    CLEANUP(settings_free_scoped) struct settings *s = settings_new(file, of->process);
    if (s == NULL)
        return STATUS_NOMEM;
    s->maesn_integrations = of->maesn_integrations;
    CLEANUP(paths_done) struct paths unwanted;
    paths_init(&unwanted);
    struct load l = {
        .settings = s, .providers = providers, .problems = problems, .read = &unwanted};
    account_files_read_one(&l, file);
    warn_of_exposed_files(&l);
    problems_sort(problems);
    enum status status = judge(&l);
    if (status == STATUS_OK)
        *ret = TAKE(s);
    return status;
}

/* --- comparing ----------------------------------------------------------------------------- */

static bool is_relevant(const struct setting *row, enum settings_process process)
{
    switch (process) {
    case SETTINGS_ALL:
        return true;
    case SETTINGS_INGRESS:
        return !(row->flags & SETTING_RECONCILER);
    case SETTINGS_RECONCILER:
        return !(row->flags & SETTING_INGRESS);
    }
    return true;
}

/* Values are as long as the file at most, quoted six times. */
static const size_t value_max = (size_t)8 * LOAD_SETTINGS_MAX;

/* When memory is short they count as different: a restart too many is told, none too few. */
static bool is_same(const struct setting *row, const struct settings *a, const struct settings *b)
{
    CLEANUP(buf_done) struct buf x;
    CLEANUP(buf_done) struct buf y;
    buf_init(&x, value_max);
    buf_init(&y, value_max);
    setting_print(row, settings_member(a, row), false, &x);
    setting_print(row, settings_member(b, row), false, &y);
    return x.status == STATUS_OK && y.status == STATUS_OK &&
           bytes_equal(buf_bytes(&x), buf_bytes(&y));
}

size_t settings_restart_required(const struct settings *running, const struct settings *wanted,
                                 struct buf *ret)
{
    size_t len = 0;
    for (size_t id = 0; id < SETTINGS_LEN; id++) {
        const struct setting *row = &settings_table[id];
        bool reloaded = (row->flags & SETTING_RELOADED) != 0 || row->kind == SETTING_DIRECTORY;
        if (reloaded || !is_relevant(row, running->process) || is_same(row, running, wanted))
            continue;
        buf_printf(ret, "%s%s", len++ == 0 ? "" : ", ", row->key);
    }
    return len;
}

/* --- printing ------------------------------------------------------------------------------ */

/* How many characters of both keys, up to and with a dot, are the same. */
static size_t common_sections(const char *a, const char *b)
{
    size_t common = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++)
        if (a[i] == '.')
            common = i + 1;
    return common;
}

/* Opens the sections that `key` has and `previous` had not, as lines of their own. */
static void print_sections(const char *previous, const char *key, int *ret_indent, struct buf *ret)
{
    size_t at = common_sections(previous, key);
    int indent = 0;
    for (size_t i = 0; i < at; i++)
        indent += key[i] == '.' ? 2 : 0;
    for (const char *dot; (dot = strchr(key + at, '.')) != NULL; indent += 2) {
        buf_printf(ret, "%*s%.*s:\n", indent, "", (int)(dot - key - at), key + at);
        at = (size_t)(dot - key) + 1;
    }
    *ret_indent = indent;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

void settings_print(const struct settings *s, struct buf *ret)
{
    const char *previous = "";
    for (size_t id = 0; id < SETTINGS_LEN; id++) {
        const struct setting *row = &settings_table[id];
        const char *dot = strrchr(row->key, '.');
        int indent;
        print_sections(previous, row->key, &indent, ret);
        buf_printf(ret, "%*s%s: ", indent, "", dot == NULL ? row->key : dot + 1);
        setting_print(row, settings_member(s, row), true, ret);
        if (s->origins[id].file == NULL)
            buf_append_text(ret, "  # default\n");
        else
            buf_printf(ret, "  # %s:%u\n", base_name(s->file), s->origins[id].line);
        previous = row->key;
    }
}

void settings_print_json(const struct settings *s, struct buf *ret)
{
    for (size_t id = 0; id < SETTINGS_LEN; id++) {
        const struct setting *row = &settings_table[id];
        buf_printf(ret, "%s\"%s\":{\"value\":", id == 0 ? "{" : ",", row->key);
        setting_print(row, settings_member(s, row), true, ret);
        if (s->origins[id].file == NULL) {
            buf_append_text(ret, ",\"origin\":\"default\"}");
            continue;
        }
        buf_append_text(ret, ",\"origin\":");
        CLEANUP(buf_done) struct buf origin;
        buf_init(&origin, KEY_MAX + 32);
        buf_printf(&origin, "%s:%u", base_name(s->file), s->origins[id].line);
        json_text_string(ret, buf_bytes(&origin));
        buf_append_text(ret, "}");
    }
    buf_append_text(ret, "}");
}
