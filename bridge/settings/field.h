/* The fields of a declared thing (a route, an account, a subscription) as a table, from which the
 * reader and the JSON Schema are made. */
#pragma once

#include "bridge/settings/document.h"

struct load;
struct text_list;

enum field_kind {
    FIELD_TEXT = 0,   /* text in quotes or without */
    FIELD_LOOSE_TEXT, /* also a bare number, read as its text */
    FIELD_PATH,       /* relative to the file it stands in */
    FIELD_TEXTS,      /* a list of texts */
    FIELD_OTHER,      /* its reader knows */
};

struct field {
    const char *name; /* NULL: behind the last */
    enum field_kind kind;
    bool required;
    bool (*is_valid)(const char *text); /* NULL: any text of one line that is not empty */
    const char *pattern; /* the same as a regular expression; NULL: any; of FIELD_OTHER: its JSON
                            Schema */
    const char *expectation; /* "a path that begins with /in/" */
    const char *doc;
};

#define FIELDS_MAX 16

/* Finds the value of each field in a map, NULL where there is none. Unknown and missing ones are
 * problems. Returns false, with a problem, when `n` is no map.
 */
bool field_collect(const struct field fields[], const char *key, const struct node *n,
                   struct load *l, const struct node *values[FIELDS_MAX]);

/* The text of a value, as it stands in the document; NULL when it is not there, or, with a problem,
 * when it does not fit the field. */
const char *field_text(const struct field *field, const char *key, const struct node *n,
                       struct load *l);

/* The texts of a list; items == NULL when it is not there or does not fit. */
struct text_list field_texts(const struct field *field, const char *key, const struct node *n,
                             struct load *l);

/* UPPER_CASE names of resources and events, in any case: [A-Za-z0-9_-]{1,64}. */
bool field_is_name(const char *text);
#define FIELD_NAME_PATTERN "^[A-Za-z0-9_-]{1,64}$"
#define FIELD_NAME_EXPECTATION "1 to 64 letters, digits, \"_\" and \"-\""

/* [a-z0-9][a-z0-9-]{0,62}; the check is account_id_is_valid(). */
#define FIELD_ID_PATTERN "^[a-z0-9][a-z0-9-]{0,62}$"
#define FIELD_ID_EXPECTATION                                                                       \
    "1 to 63 lower-case letters, digits and \"-\", not beginning with \"-\""
