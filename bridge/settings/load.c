#include "bridge/settings/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/base/file.h"
#include "bridge/base/nearest.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/settings/field.h"

/* --- memory -------------------------------------------------------------------------------- */

void *load_alloc(struct load *l, size_t count, size_t size)
{
    size_t bytes;
    void *data = NULL;
    if (!__builtin_mul_overflow(count, size, &bytes))
        data = arena_alloc(l->settings->arena, bytes);
    if (data == NULL)
        l->problems->status = STATUS_NOMEM;
    else
        memset(data, 0, bytes);
    return data;
}

void load_note_status(struct load *l, enum status status)
{
    if (status == STATUS_NOMEM)
        l->problems->status = STATUS_NOMEM;
}

const char *load_copy(struct load *l, const char *text)
{
    const char *copy = arena_dup(l->settings->arena, bytes_of_text(text));
    if (copy == NULL)
        l->problems->status = STATUS_NOMEM;
    return copy == NULL ? "" : copy;
}

const char *load_resolve(struct load *l, const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || path[0] == '\0' || slash == NULL)
        return load_copy(l, path);
    const char *resolved =
        arena_printf(l->settings->arena, "%.*s%s", (int)(slash + 1 - file), file, path);
    if (resolved == NULL)
        l->problems->status = STATUS_NOMEM;
    return resolved == NULL ? "" : resolved;
}

/* --- problems ------------------------------------------------------------------------------ */

#define MESSAGE_MAX 8192

void load_error(struct load *l, struct place place, const char *key, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    problems_add(l->problems, PROBLEM_ERROR, place, key, "%s", text);
}

void load_warning(struct load *l, struct place place, const char *key, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    problems_add(l->problems, PROBLEM_WARNING, place, key, "%s", text);
}

struct place load_origin(const struct load *l, enum setting_id id)
{
    const struct origin *origin = &l->settings->origins[id];
    return origin->file == NULL ? (struct place){l->settings->file, 1, 1}
                                : (struct place){origin->file, origin->line, origin->column};
}

const char *load_suggest(const char *const names[], const char *given)
{
    const char *nearest = nearest_name(names, given);
    size_t len = strlen(given);
    for (size_t i = 0; nearest == NULL && len > 0 && names[i] != NULL; i++)
        if (strncmp(names[i], given, len) == 0 && names[i][len] == '_')
            nearest = names[i];
    return nearest;
}

const char *load_shown(const struct node *n, char ret[LOAD_SHOWN_SIZE])
{
    switch (n->kind) {
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a map";
    case NODE_SCALAR:
        break;
    }
    if (node_is_null(n))
        return "nothing";
    if (strchr(n->text, '@') != NULL) /* user:password@host, perhaps */
        return "(masked)";
    const char *quote = n->plain ? "" : "\"";
    bool cut = strlen(n->text) > 100;
    snprintf(ret, LOAD_SHOWN_SIZE, "%s%.100s%s%s", quote, n->text, cut ? "..." : "", quote);
    for (char *c = ret; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?'; /* one problem, one line */
    return ret;
}

void load_mistyped(struct load *l, const struct node *n, const char *key, const char *expectation)
{
    char shown[LOAD_SHOWN_SIZE];
    load_error(l, n->place, key, "%s, expected %s", load_shown(n, shown), expectation);
}

/* --- files --------------------------------------------------------------------------------- */

static void note_exposed(struct load *l, const struct stat *st, const char *path,
                         struct place place, const char *key)
{
    if ((st->st_mode & S_IROTH) == 0)
        return;
    if (l->exposed_len++ > 0)
        return;
    l->exposed = place;
    l->exposed.file = load_copy(l, place.file); /* the node goes, this is told at the end */
    l->exposed_key = load_copy(l, key);
    l->exposed_file = load_copy(l, path);
}

static void close_scoped(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

bool load_needs_file(struct load *l, const char *path, bool private, struct place place,
                     const char *key)
{
    paths_add(l->read, path);
    struct stat st = {0};
    const char *why = NULL;
    /* Opened, since access() does not know what the sandbox withholds. */
    CLEANUP(close_scoped) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        why = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        why = "not a regular file";
    else if (st.st_size == 0)
        why = "the file is empty";
    if (why != NULL) {
        load_error(l, place, key, "%s: %s, expected a readable file that is not empty", path, why);
        return false;
    }
    if (private)
        note_exposed(l, &st, path, place, key);
    return true;
}

struct secret *load_secret(struct load *l, const char *path, struct place place, const char *key)
{
    struct secret *secret = NULL;
    struct diag diag = {0};
    paths_add(l->read, path);
    enum status status = secret_from_file(path, &secret, &diag);
    if (status == STATUS_NOMEM)
        l->problems->status = STATUS_NOMEM;
    else if (status != STATUS_OK)
        load_error(l, place, key, "%s, expected a readable file with a secret", diag.text);
    struct stat st;
    if (status == STATUS_OK && stat(path, &st) == 0)
        note_exposed(l, &st, path, place, key);
    return secret;
}

struct node *load_document(struct load *l, const char *path, size_t max, struct arena *a)
{
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, max);
    struct diag diag = {0};
    paths_add(l->read, path);
    enum status status = file_read(path, &content, &diag);
    if (status == STATUS_OK)
        return document_parse(path, buf_bytes(&content), a, l->problems);
    if (status == STATUS_NOMEM) {
        l->problems->status = STATUS_NOMEM;
        return NULL;
    }
    size_t named = strlen(path) + strlen(": ");
    load_error(l, (struct place){path, 1, 1}, "(file)", "%s, expected a readable file",
               strlen(diag.text) > named ? diag.text + named : diag.text);
    return NULL;
}

static bool names_yaml(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot != NULL &&
           (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int entry_filter(const struct dirent *entry)
{
    return names_yaml(entry) ? 1 : 0;
}

static int entry_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* not by locale: the order is the same anywhere */
}

bool load_files(struct load *l, const char *directory, struct load_files *ret)
{
    struct dirent **entries = NULL;
    paths_add(l->read, directory);
    int len = scandir(directory, &entries, entry_filter, entry_compare);
    if (len < 0)
        return false;
    *ret = (struct load_files){.names = calloc((size_t)len + 1, sizeof(*ret->names))};
    for (int i = 0; i < len; i++) {
        if (ret->names != NULL &&
            asprintf(&ret->names[ret->len], "%s/%s", directory, entries[i]->d_name) >= 0)
            ret->len++;
        else
            l->problems->status = STATUS_NOMEM;
        free(entries[i]);
    }
    free(entries);
    return true;
}

void load_files_free(struct load_files *files)
{
    for (size_t i = 0; i < files->len; i++)
        free(files->names[i]);
    free(files->names);
}

/* --- providers ----------------------------------------------------------------------------- */

const struct provider *load_provider(const struct load *l, const char *name)
{
    for (const struct provider *const *provider = l->providers; *provider != NULL; provider++)
        if (strcmp((*provider)->name, name) == 0)
            return *provider;
    return NULL;
}

void load_unknown_provider(struct load *l, const struct node *n, const char *key)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, MESSAGE_MAX);
    const char *names[16] = {0};
    for (size_t i = 0; l->providers[i] != NULL && i + 1 < sizeof(names) / sizeof(names[0]); i++) {
        names[i] = l->providers[i]->name;
        buf_printf(&text, "%s%s", i == 0 ? "one of " : ", ", names[i]);
    }
    const char *nearest = nearest_name(names, n->text);
    if (nearest != NULL)
        buf_printf(&text, " (did you mean \"%s\"?)", nearest);
    load_note_status(l, text.status);
    char full[128];
    snprintf(full, sizeof(full), "%s.provider", key);
    load_mistyped(l, n, full, buf_text(&text));
}

/* Also one that the operator has added to the built-in table. */
static bool knows_system(const struct load *l, const struct provider *provider, const char *system)
{
    bool native = provider->knows_system(provider->name);
    return provider->knows_system(system) ||
           (!native &&
            integration_overrides_find(&l->settings->maesn_integrations, system) != NULL);
}

const char *load_system(struct load *l, const char *key, const struct node *whole,
                        const struct field *field, const struct node *n,
                        const struct provider *provider)
{
    char full[128];
    snprintf(full, sizeof(full), "%s.system", key);
    const char *system = field_text(field, key, n, l);
    if (provider == NULL || (n != NULL && system == NULL))
        return NULL;
    bool native = provider->knows_system(provider->name);
    if (system == NULL && native)
        return provider->name;
    if (n == NULL || system == NULL)
        load_error(l, whole->place, full, "missing, expected a system that %s knows",
                   provider->name);
    else if (!knows_system(l, provider, system))
        load_error(l, n->place, full, "%s, expected a system that %s knows", system,
                   provider->name);
    else
        return system;
    return NULL;
}
