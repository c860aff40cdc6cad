/* The settings of all processes: bridge.yaml and the files it names, read whole and checked. */
#pragma once

#include "bridge/domain/account.h"
#include "bridge/domain/provider.h"
#include "bridge/domain/route.h"
#include "bridge/settings/paths.h"
#include "bridge/settings/problems.h"
#include "bridge/settings/setting.h"

/* Who is going to use them: what the other process needs is not asked for. */
enum settings_process {
    SETTINGS_ALL = 0, /* `check`: every file is read */
    SETTINGS_INGRESS,
    SETTINGS_RECONCILER,
};

enum setting_id {
#define S(kind, key, member, ...) SETTING_ID_##member,
#include "bridge/settings/settings.def"
#undef S
    SETTINGS_LEN
};

/* Where a value came from. */
struct origin {
    const char *file; /* NULL: the default */
    unsigned line;
    unsigned column;
};

/* Immutable once loaded. Texts are never NULL, paths are resolved. */
struct settings {
#define S(kind, key, member, ...) setting_type_##kind member;
#include "bridge/settings/settings.def"
#undef S
    struct origin origins[SETTINGS_LEN];
    enum settings_process process;
    const char *file; /* bridge.yaml's path */

    struct route **routes; /* static ones; none for the reconciler */
    size_t routes_len;
    struct account *accounts; /* declared ones; none for the ingress */
    size_t accounts_len;
    size_t secret_files_missing; /* optional ones that the configuration names and that are gone */

    struct arena *arena; /* holds all of the above but the routes */
};

/* The rows of settings.def, in the order of enum setting_id, which is that of the keys. */
extern const struct setting settings_table[SETTINGS_LEN];

/* Adds the problems that only another folder can tell of; asked once everything is read, also when
 * there are errors. Errors: STATUS_NOMEM. */
typedef enum status settings_check_fn(const struct settings *s, struct problems *problems);

/* Reads the file, what it names, the routes and the accounts; finds every problem of every file.
 * `providers` ends with NULL and must outlive the settings. `check` may be NULL. `read` gets every
 * file and directory that was looked for, also when the load fails, so that its change can be
 * waited for; NULL if nobody wants it. Owns:   on STATUS_OK the caller frees *ret with
 * settings_free(); otherwise *ret is untouched. Errors: STATUS_INVALID problems->errors is not 0.
 * STATUS_NOMEM. Warnings may come with STATUS_OK.
 */
enum status settings_load(const char *file, enum settings_process process,
                          const struct provider *const providers[], settings_check_fn *check,
                          struct settings **ret, struct problems *problems, struct paths *read)
    MUST_CHECK;
void settings_free(struct settings *s);

/* Lets go of the routes and the accounts, and so of their secrets. */
void settings_drop_declared(struct settings *s);

/* Reads one file of accounts, of the form of those in accounts_dir and judged like them with the
 * integrations of `of`, which must outlive *ret: that has the accounts and nothing else.
 * Owns, Errors: as settings_load(). */
enum status settings_load_accounts(const struct settings *of, const char *file,
                                   const struct provider *const providers[], struct settings **ret,
                                   struct problems *problems) MUST_CHECK;

/* Appends all settings as YAML, secrets masked, each with a comment that tells its origin. */
void settings_print(const struct settings *s, struct buf *ret);

/* The same as one JSON object, {"kafka.brokers":{"value":...,"origin":"bridge.yaml:3"},...}. */
void settings_print_json(const struct settings *s, struct buf *ret);

/* Appends the keys, separated by ", ", whose value in `wanted` takes effect only with a restart:
 * different from the one in `running`, used by its process, and not reloaded. Returns how many.
 */
size_t settings_restart_required(const struct settings *running, const struct settings *wanted,
                                 struct buf *ret);

/* The member of a row. */
static inline const void *settings_member(const struct settings *s, const struct setting *row)
{
    return (const char *)s + row->offset;
}
