/* What the readers of one load share. */
#pragma once

#include "bridge/settings/settings.h"

/* Sizes of files, in bytes. A static route takes about 200 bytes of YAML. */
#define LOAD_SETTINGS_MAX (1U << 20)
#define LOAD_DECLARATIONS_MAX (16U << 20)
/* Files of routes_dir and of accounts_dir. */
#define LOAD_FILES_MAX 4096

struct load {
    struct settings *settings; /* being made; its arena holds every kept text */
    const struct provider *const *providers;
    struct problems *problems;
    struct paths *read;
    struct place exposed; /* the first value that names a secret file which everyone can read */
    const char *exposed_key;
    const char *exposed_file;
    size_t exposed_len; /* how many there are */
};

/* A copy that lives as long as the settings. Never NULL: "" when memory is short, which
 * l->problems->status then says. */
const char *load_copy(struct load *l, const char *text);

/* Zeroed memory that lives as long as the settings, or NULL, as above. */
void *load_alloc(struct load *l, size_t count, size_t size);

/* Keeps in mind that memory was short, if it was. */
void load_note_status(struct load *l, enum status status);

/* A path relative to the file it stands in becomes one that can be opened; "" stays. Never NULL. */
const char *load_resolve(struct load *l, const char *file, const char *path);

void load_error(struct load *l, struct place place, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void load_warning(struct load *l, struct place place, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "key: value, expected EXPECTATION" at the node. */
void load_mistyped(struct load *l, const struct node *n, const char *key, const char *expectation);

/* Where a setting's value stands; the file's beginning where it has its default. */
struct place load_origin(const struct load *l, enum setting_id id);

/* The name that a misspelt one is meant to be, NULL if none is near: also "linger_ms" of "linger".
 * `names` ends with NULL. */
const char *load_suggest(const char *const names[], const char *given);

/* How a node's value appears in a message: a text in quotes, cut; "a list". What may hold a
 * password is masked. */
#define LOAD_SHOWN_SIZE 128
const char *load_shown(const struct node *n, char ret[LOAD_SHOWN_SIZE]);

/* Whether the file can be read and is not empty; a problem at `place` otherwise. `private`: one
 * that everyone can read is a warning. */
bool load_needs_file(struct load *l, const char *path, bool private, struct place place,
                     const char *key);

/* The secret a file holds; NULL, with a problem, when there is none. The caller holds a reference.
 */
struct secret *load_secret(struct load *l, const char *path, struct place place, const char *key);

/* The tree of a YAML file, in the arena; NULL, with a problem, when it cannot be read. */
struct node *load_document(struct load *l, const char *path, size_t max, struct arena *a);

/* The *.yaml and *.yml files of a directory, sorted. The caller frees *ret with load_files_free().
 * Returns false, with errno, when the directory cannot be read. */
struct load_files {
    char **names;
    size_t len;
};
bool load_files(struct load *l, const char *directory, struct load_files *ret);
void load_files_free(struct load_files *files);

/* The provider of this name, or NULL. */
const struct provider *load_provider(const struct load *l, const char *name);

/* "KEY.provider: NAME, expected one of ..." */
void load_unknown_provider(struct load *l, const struct node *n, const char *key);

/* The target system of a declared thing: it must be one the provider knows; a native provider's is
 * its own name, which need not be said. NULL, maybe with a problem at `n` or `whole`.
 */
struct field;
const char *load_system(struct load *l, const char *key, const struct node *whole,
                        const struct field *field, const struct node *n,
                        const struct provider *provider);
