/* The form of a record: the one table by which it is copied, compared, written as JSON and read. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"

enum record_kind {
    RECORD_TEXT = 0, /* const char *; NULL is left out */
    RECORD_CHARS,    /* char[size], "" is left out */
    RECORD_INSTANT,  /* int64_t, not negative; 0 is left out */
    RECORD_NAME,     /* an enum, always written */
};

struct record_field {
    const char *name;
    enum record_kind kind;
    size_t offset;
    size_t size;              /* of RECORD_CHARS */
    bool required;            /* refused where it is left out */
    const char *const *names; /* of RECORD_NAME, by value */
    size_t names_len;
};

struct record_form {
    const char *name; /* "route record" */
    size_t size;      /* of the struct */
    const struct record_field *fields;
    size_t fields_len;
};

/* One block with all the record's texts; NULL when memory is short.
 * Owns: the caller frees it with record_form_free(), which wipes it.
 */
void *record_form_copy(const struct record_form *form, const void *record);
void record_form_free(void *copied);

bool record_form_equal(const struct record_form *form, const void *a, const void *b);

/* Appends `{"version":1,...}` in the table's order. Errors: STATUS_NOMEM. STATUS_INVALID it is
 * longer than ret's maximum, or a text is no UTF-8. */
enum status record_form_write(const struct record_form *form, const void *record, struct buf *ret)
    MUST_CHECK;

/* Owns: as record_form_copy(). Errors: STATUS_INVALID it is no such record; diag says why, without
 * its values. STATUS_NOMEM. */
enum status record_form_read(const struct record_form *form, struct bytes json, void **ret,
                             struct diag *diag) MUST_CHECK;

struct json_t;

/* Reads the text as a record of schema version 1; `name` begins what diag says. It is not misread
 * when memory is short, as jansson alone would.
 * Owns: the caller drops *ret with json_decref(), in the same thread. Errors: STATUS_INVALID it is
 * none; diag says why, without its values. STATUS_NOMEM. */
enum status record_form_parse(const char *name, struct bytes json, struct json_t **ret,
                              struct diag *diag) MUST_CHECK;

/* The same of JSON that need not be of any version. */
enum status record_form_parse_any(const char *name, struct bytes json, struct json_t **ret,
                                  struct diag *diag) MUST_CHECK;

/* From now on what jansson frees is overwritten first, for it copies the secrets it reads, and what
 * record_form_parse() needs of memory is there before it begins. For the whole process: call it
 * once, before threads start and a record is read. */
void record_form_start(void);
