#include "bridge/registry/record_form.h"

#include <assert.h>
#include <inttypes.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#include <jansson.h>

#include "bridge/base/crypto.h"
#include "bridge/base/json_text.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret_memory.h"
#include "bridge/base/utf8.h"

static const int schema_version = 1;

_Static_assert(sizeof(enum record_kind) == sizeof(unsigned), "an enum is read as an unsigned");

DEFINE_CLEANUP(json_t *, json_decref)

/* --- a record's members -------------------------------------------------------------------- */

static const void *member(const void *record, const struct record_field *f)
{
    return (const uint8_t *)record + f->offset;
}

static void *member_of(void *record, const struct record_field *f)
{
    return (uint8_t *)record + f->offset;
}

static int64_t instant(const void *record, const struct record_field *f)
{
    return *(const int64_t *)member(record, f);
}

static unsigned value_of_name(const void *record, const struct record_field *f)
{
    unsigned value = *(const unsigned *)member(record, f);
    assert(value < f->names_len);
    return value;
}

/* The text of either kind; NULL: it is left out. */
static const char *text(const void *record, const struct record_field *f)
{
    if (f->kind == RECORD_TEXT)
        return *(const char *const *)member(record, f);
    const char *chars = member(record, f);
    return chars[0] == '\0' ? NULL : chars;
}

/* --- a copy -------------------------------------------------------------------------------- */

struct block {
    size_t size; /* of all of it */
    _Alignas(max_align_t) uint8_t record[];
};

void *record_form_copy(const struct record_form *form, const void *record)
{
    size_t size = sizeof(struct block) + form->size;
    for (size_t i = 0; i < form->fields_len; i++)
        if (form->fields[i].kind == RECORD_TEXT && text(record, &form->fields[i]) != NULL)
            size += strlen(text(record, &form->fields[i])) + 1;
    struct block *block = secret_memory_alloc(size);
    if (block == NULL)
        return NULL;
    block->size = size;
    memcpy(block->record, record, form->size);

    uint8_t *end = block->record + form->size;
    for (size_t i = 0; i < form->fields_len; i++) {
        const struct record_field *f = &form->fields[i];
        if (f->kind != RECORD_TEXT || text(record, f) == NULL)
            continue;
        size_t len = strlen(text(record, f)) + 1;
        memcpy(end, text(record, f), len);
        *(const char **)member_of(block->record, f) = (const char *)end;
        end += len;
    }
    return block->record;
}

void record_form_free(void *copied)
{
    if (copied == NULL)
        return;
    struct block *block = (struct block *)((uint8_t *)copied - offsetof(struct block, record));
    secret_memory_free(block, block->size);
}

/* --- comparison ---------------------------------------------------------------------------- */

static bool field_equal(const struct record_field *f, const void *a, const void *b)
{
    switch (f->kind) {
    case RECORD_TEXT:
    case RECORD_CHARS: {
        const char *left = text(a, f), *right = text(b, f);
        if (left == NULL || right == NULL)
            return left == right;
        return crypto_equal(bytes_of_text(left), bytes_of_text(right)); /* it may be a secret */
    }
    case RECORD_INSTANT:
        return instant(a, f) == instant(b, f);
    case RECORD_NAME:
        return value_of_name(a, f) == value_of_name(b, f);
    }
    return false;
}

bool record_form_equal(const struct record_form *form, const void *a, const void *b)
{
    for (size_t i = 0; i < form->fields_len; i++)
        if (!field_equal(&form->fields[i], a, b))
            return false;
    return true;
}

/* --- JSON, written ------------------------------------------------------------------------- */

static void append_text(struct buf *ret, const char *name, const char *value)
{
    buf_printf(ret, ",\"%s\":", name);
    json_text_string(ret, bytes_of_text(value));
}

static void append_field(struct buf *ret, const struct record_field *f, const void *record)
{
    switch (f->kind) {
    case RECORD_TEXT:
    case RECORD_CHARS:
        if (text(record, f) != NULL)
            append_text(ret, f->name, text(record, f));
        return;
    case RECORD_INSTANT:
        if (instant(record, f) != 0)
            buf_printf(ret, ",\"%s\":%" PRId64, f->name, instant(record, f));
        return;
    case RECORD_NAME:
        append_text(ret, f->name, f->names[value_of_name(record, f)]);
        return;
    }
}

/* What is not would be written as something else, and a secret would be another. */
static bool is_utf8(const char *value)
{
    struct bytes rest = bytes_of_text(value);
    for (size_t len; rest.len > 0; rest = bytes_of(rest.data + len, rest.len - len)) {
        len = utf8_sequence(rest.data, rest.len);
        if (len == 0)
            return false;
    }
    return true;
}

enum status record_form_write(const struct record_form *form, const void *record, struct buf *ret)
{
    for (size_t i = 0; i < form->fields_len; i++) {
        const struct record_field *f = &form->fields[i];
        bool is_text = f->kind == RECORD_TEXT || f->kind == RECORD_CHARS;
        if (is_text && text(record, f) != NULL && !is_utf8(text(record, f)))
            return STATUS_INVALID;
    }
    buf_printf(ret, "{\"version\":%d", schema_version);
    for (size_t i = 0; i < form->fields_len; i++)
        append_field(ret, &form->fields[i], record);
    buf_append_text(ret, "}");
    return ret->status;
}

/* --- JSON, read ---------------------------------------------------------------------------- */

/* jansson 2.14's lexer goes on without the characters it had no memory for (load.c, lex_save()): it
 * reads another secret than the one that stands there, and where the missing character is the quote
 * that ends a text, it copies what lies behind its buffer until it finds one (lex_scan_string();
 * found by fuzzing). So while it reads nothing may fail: all it takes is a piece of one block,
 * which is there before and is freed with the last of them. */
struct pool {
    struct pool *next;
    size_t live; /* pieces */
    size_t used; /* bytes */
    size_t size;
    _Alignas(max_align_t) uint8_t data[];
};

/* What jansson takes for a text in all, freed or not: most for "[[[[...", 40 and 64 bytes for an
 * array, each rounded up to 16; then for "[{},{},...", 72 and 128 bytes for an object, and 32 in
 * its array's growing table. Source: sizes of jansson 2.14's types; the test of the worst texts. */
static const size_t pool_per_byte = 128, pool_at_least = 4096;

static _Thread_local struct pool *pools; /* of this thread's values */
static _Thread_local struct pool *reading;
static bool started;

/* Begins a reading: what jansson takes from now on comes from a pool. */
static bool pool_begin(size_t text_len)
{
    size_t size = pool_at_least + pool_per_byte * text_len;
    struct pool *p = malloc(sizeof(*p) + size);
    if (p == NULL)
        return false;
    *p = (struct pool){.next = pools, .live = 1, .size = size};
    pools = reading = p;
    return true;
}

static void pool_release(struct pool *p)
{
    if (--p->live > 0)
        return;
    struct pool **at = &pools;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    crypto_wipe(p->data, p->used);
    free(p);
}

static void pool_end(void)
{
    pool_release(TAKE(reading));
}

static void *allocate(size_t size)
{
    const size_t alignment = _Alignof(max_align_t);
    struct pool *p = reading;
    if (p == NULL)
        return malloc(size);
    size_t taken = (size + alignment - 1) / alignment * alignment;
    assert(taken >= size && taken <= p->size - p->used);
    void *memory = p->data + p->used;
    p->used += taken;
    p->live++;
    return memory;
}

static void wipe_and_free(void *memory)
{
    for (struct pool *p = pools; p != NULL; p = p->next) {
        if ((uint8_t *)memory >= p->data && (uint8_t *)memory < p->data + p->size) {
            pool_release(p);
            return;
        }
    }
    if (memory != NULL)
        crypto_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

void record_form_start(void)
{
    json_set_alloc_funcs(allocate, wipe_and_free);
    started = true;
}

static enum status refuse(const struct record_form *form, const char *name, const char *expectation,
                          struct diag *diag)
{
    return diag_set(diag, STATUS_INVALID, "%s: %s: expected %s", form->name, name, expectation);
}

/* The member is there: takes its value. Texts stay the JSON's. */
static enum status read_field(const struct record_form *form, const struct record_field *f,
                              const json_t *value, void *record, struct diag *diag)
{
    const char *string = json_string_value(value);
    switch (f->kind) {
    case RECORD_TEXT:
        if (string == NULL)
            return refuse(form, f->name, "a text", diag);
        *(const char **)member_of(record, f) = string;
        return STATUS_OK;
    case RECORD_CHARS:
        if (string == NULL || strlen(string) >= f->size)
            return refuse(form, f->name, "a text that fits", diag);
        memcpy(member_of(record, f), string, strlen(string) + 1);
        return STATUS_OK;
    case RECORD_INSTANT:
        if (!json_is_integer(value) || json_integer_value(value) < (f->required ? 1 : 0))
            return refuse(form, f->name, "milliseconds since 1970", diag);
        *(int64_t *)member_of(record, f) = json_integer_value(value);
        return STATUS_OK;
    case RECORD_NAME:
        for (unsigned i = 0; string != NULL && i < f->names_len; i++) {
            if (strcmp(string, f->names[i]) != 0)
                continue;
            *(unsigned *)member_of(record, f) = i;
            return STATUS_OK;
        }
        return refuse(form, f->name, "a name that this version knows", diag);
    }
    return STATUS_INTERNAL;
}

static enum status read_fields(const struct record_form *form, const json_t *json, void *record,
                               struct diag *diag)
{
    for (size_t i = 0; i < form->fields_len; i++) {
        const struct record_field *f = &form->fields[i];
        const json_t *value = json_object_get(json, f->name);
        if (value == NULL && f->required)
            return refuse(form, f->name, "it to be there", diag);
        enum status status = value == NULL ? STATUS_OK : read_field(form, f, value, record, diag);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status record_form_parse_any(const char *name, struct bytes json_text, json_t **ret,
                                  struct diag *diag)
{
    assert(started);
    if (!pool_begin(json_text.len))
        return STATUS_NOMEM;
    json_t *json =
        json_loadb((const char *)json_text.data, json_text.len, JSON_REJECT_DUPLICATES, NULL);
    pool_end();
    if (json == NULL)
        return diag_set(diag, STATUS_INVALID, "%s: expected JSON", name);
    *ret = json;
    return STATUS_OK;
}

enum status record_form_parse(const char *name, struct bytes json_text, json_t **ret,
                              struct diag *diag)
{
    CLEANUP(json_decref_scoped) json_t *json = NULL;
    enum status status = record_form_parse_any(name, json_text, &json, diag);
    if (status != STATUS_OK)
        return status;
    const json_t *version = json_object_get(json, "version");
    if (!json_is_integer(version) || json_integer_value(version) != schema_version)
        return diag_set(diag, STATUS_INVALID, "%s: version: expected 1", name);
    *ret = TAKE(json);
    return STATUS_OK;
}

enum status record_form_read(const struct record_form *form, struct bytes json_text, void **ret,
                             struct diag *diag)
{
    CLEANUP(json_decref_scoped) json_t *json = NULL;
    enum status status = record_form_parse(form->name, json_text, &json, diag);
    if (status != STATUS_OK)
        return status;

    max_align_t record[64] = {{0}};
    assert(form->size <= sizeof(record));
    status = read_fields(form, json, record, diag);
    void *copied = status == STATUS_OK ? record_form_copy(form, record) : NULL;
    if (status != STATUS_OK)
        return status;
    if (copied == NULL)
        return STATUS_NOMEM;
    *ret = copied;
    return STATUS_OK;
}
