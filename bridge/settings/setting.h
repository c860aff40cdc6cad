/* One row of the settings table: what a key means, how its value is read and shown. */
#pragma once

#include "bridge/base/address.h"
#include "bridge/domain/integration_override.h"
#include "bridge/settings/document.h"

struct load;

struct text_list {
    const char **items;
    size_t len;
};

/* A librdkafka property. */
struct property {
    const char *name;
    const char *value;
    unsigned line; /* of the value, in bridge.yaml */
    unsigned column;
};

struct properties {
    struct property *items;
    size_t len;
};

/* The member's type by kind. */
typedef bool setting_type_BOOL;
typedef uint32_t setting_type_U32;
typedef int64_t setting_type_I64;
typedef unsigned setting_type_ENUM;
typedef const char *setting_type_TEXT;
typedef const char *setting_type_TOPIC;
typedef const char *setting_type_FILE;
typedef const char *setting_type_SECRET;
typedef const char *setting_type_DIRECTORY;
typedef const char *setting_type_PATH;
typedef struct address setting_type_ADDRESS;
typedef const char *setting_type_BROKERS;
typedef const char *setting_type_URL;
typedef const char *setting_type_PUBLIC_URL;
typedef struct text_list setting_type_PUBLIC_URLS;
typedef struct properties setting_type_PROPERTIES;
typedef struct integration_overrides setting_type_INTEGRATIONS;

enum setting_kind {
    SETTING_BOOL = 0,
    SETTING_U32,
    SETTING_I64,
    SETTING_ENUM,
    SETTING_TEXT,
    SETTING_TOPIC,
    SETTING_FILE,
    SETTING_SECRET,
    SETTING_DIRECTORY,
    SETTING_PATH,
    SETTING_ADDRESS,
    SETTING_BROKERS,
    SETTING_URL,
    SETTING_PUBLIC_URL,
    SETTING_PUBLIC_URLS,
    SETTING_PROPERTIES,
    SETTING_INTEGRATIONS,
};
#define SETTING_KINDS 17

enum setting_flag {
    SETTING_REQUIRED = 1,
    SETTING_INGRESS = 2,
    SETTING_RECONCILER = 4,
    SETTING_RELOADED = 8,
    SETTING_PRIVATE = 16,
};

struct setting {
    enum setting_kind kind;
    unsigned flags;
    const char *key;
    const char *default_text;
    int64_t min;
    int64_t max;
    const char *unit;
    const char *doc;
    size_t offset; /* of the member in struct settings */
};

/* Reads a value into a member; on failure adds a problem and leaves it as it was. */
void setting_read(const struct setting *s, const struct node *n, struct load *l, void *member);

/* Gives a member its default. */
void setting_read_default(const struct setting *s, struct load *l, void *member);

/* Appends what the value must be: "an integer of 1..9 seconds". */
void setting_expectation(const struct setting *s, struct buf *ret);

/* Appends the value as JSON, which is YAML that fits one line. redacted: secrets are masked. */
void setting_print(const struct setting *s, const void *member, bool redacted, struct buf *ret);

/* The index-th name of an ENUM row: its length is *ret_len; NULL behind the last. */
const char *setting_choice(const struct setting *s, unsigned index, size_t *ret_len);
