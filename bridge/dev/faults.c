#include "bridge/dev/faults.h"

#include <pthread.h>
#include <stdlib.h>

#include "bridge/base/scoped.h"

static const unsigned number_max = 1000000;

struct rule {
    enum fault_operation operation;
    struct fault fault;
    unsigned times; /* how often still; 0: always */
    unsigned every; /* at least 1 */
    unsigned seen;  /* calls that it could have struck */
};

struct faults {
    pthread_mutex_t lock; /* guards everything */
    struct rule rules[FAULTS_RULES_MAX];
    size_t len;
};

static const char *const operations[] = {"any", "list", "create", "delete", "activate"};

static const char *const kinds[] = {
    [FAULT_NONE] = "",
    [FAULT_DELAY] = "delay",
    [FAULT_ERROR] = "error",
    [FAULT_TOO_MANY] = "too-many",
    [FAULT_UNAUTHORIZED] = "unauthorized",
    [FAULT_FORBIDDEN] = "forbidden",
    [FAULT_HTML] = "html",
    [FAULT_RESET] = "reset",
    [FAULT_ERROR_AFTER] = "error-after",
    [FAULT_HTML_AFTER] = "html-after",
    [FAULT_RESET_AFTER] = "reset-after",
    [FAULT_TRUNCATED] = "truncated",
    [FAULT_EMPTY_LIST] = "empty-list",
    [FAULT_PARTIAL_LIST] = "partial-list",
    [FAULT_MISSING_ITEM] = "missing-item",
    [FAULT_LIST_ERRORS] = "list-errors",
    [FAULT_NO_SECRET] = "no-secret",
    [FAULT_OTHER_URL] = "other-url",
};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum status faults_new(struct faults **ret)
{
    struct faults *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return STATUS_NOMEM;
    pthread_mutex_init(&f->lock, NULL);
    *ret = f;
    return STATUS_OK;
}

void faults_free(struct faults *f)
{
    if (f == NULL)
        return;
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Takes the run of bytes up to any of the delimiters off the front of *text. */
static struct bytes take_until(struct bytes *text, const char *delimiters)
{
    size_t len = 0;
    while (len < text->len && strchr(delimiters, text->data[len]) == NULL)
        len++;
    struct bytes taken = bytes_of(text->data, len);
    *text = bytes_of(text->data + len, text->len - len);
    return taken;
}

/* Returns false when it is none of the names. */
static bool find_name(struct bytes name, const char *const names[], size_t len, size_t *ret)
{
    for (size_t i = 0; i < len; i++)
        if (names[i][0] != '\0' && bytes_equal(name, bytes_of_text(names[i]))) {
            *ret = i;
            return true;
        }
    return false;
}

/* Takes "MARK DIGITS" off the front; where the mark is another, nothing. Returns false when the
 * number is none. */
static bool take_number(struct bytes *text, char mark, unsigned *ret)
{
    if (text->len == 0 || text->data[0] != (uint8_t)mark)
        return true;
    size_t at = 1;
    unsigned number = 0;
    for (; at < text->len && text->data[at] >= '0' && text->data[at] <= '9'; at++)
        if ((number = number * 10 + (text->data[at] - '0')) > number_max)
            return false;
    *text = bytes_of(text->data + at, text->len - at);
    *ret = number;
    return at > 1 && number > 0;
}

static enum status read_rule(struct bytes text, struct rule *ret, struct diag *diag)
{
    struct bytes rest = text;
    size_t operation, kind;
    *ret = (struct rule){.every = 1};
    if (!find_name(take_until(&rest, ":"), operations, LENGTH(operations), &operation))
        return diag_set(diag, STATUS_INVALID,
                        "fault %.*s: expected any, list, create, delete or activate, and a colon",
                        (int)text.len, (const char *)text.data);
    rest = rest.len == 0 ? rest : bytes_of(rest.data + 1, rest.len - 1);
    if (!find_name(take_until(&rest, "=*/"), kinds, LENGTH(kinds), &kind))
        return diag_set(diag, STATUS_INVALID, "fault %.*s: no such kind", (int)text.len,
                        (const char *)text.data);
    ret->operation = (enum fault_operation)operation;
    ret->fault.kind = (enum fault_kind)kind;
    if (take_number(&rest, '=', &ret->fault.number) && take_number(&rest, '*', &ret->times) &&
        take_number(&rest, '/', &ret->every) && rest.len == 0)
        return STATUS_OK;
    return diag_set(diag, STATUS_INVALID,
                    "fault %.*s: expected [=NUMBER][*TIMES][/EVERY] after the kind", (int)text.len,
                    (const char *)text.data);
}

/* Reads all rules, or fails. */
static enum status read_rules(struct bytes text, struct rule rules[FAULTS_RULES_MAX],
                              size_t *ret_len, struct diag *diag)
{
    size_t len = 0;
    while (text.len > 0) {
        struct bytes line = take_until(&text, ",\r\n ");
        if (text.len > 0)
            text = bytes_of(text.data + 1, text.len - 1);
        if (line.len == 0)
            continue;
        if (len == FAULTS_RULES_MAX)
            return diag_set(diag, STATUS_INVALID, "more than %d faults", FAULTS_RULES_MAX);
        enum status status = read_rule(line, &rules[len++], diag);
        if (status != STATUS_OK)
            return status;
    }
    *ret_len = len;
    return STATUS_OK;
}

enum status faults_add(struct faults *f, struct bytes text, struct diag *diag)
{
    struct rule rules[FAULTS_RULES_MAX];
    size_t len = 0;
    enum status status = read_rules(text, rules, &len, diag);
    if (status != STATUS_OK || len == 0)
        return status;
    pthread_mutex_lock(&f->lock);
    if (f->len + len > FAULTS_RULES_MAX)
        status = diag_set(diag, STATUS_INVALID, "more than %d faults", FAULTS_RULES_MAX);
    else
        memcpy(&f->rules[f->len], rules, len * sizeof(rules[0]));
    if (status == STATUS_OK)
        f->len += len;
    pthread_mutex_unlock(&f->lock);
    return status;
}

/* --- striking --------------------------------------------------------------------------------- */

void faults_clear(struct faults *f)
{
    pthread_mutex_lock(&f->lock);
    f->len = 0;
    pthread_mutex_unlock(&f->lock);
}

void faults_print(struct faults *f, struct buf *ret)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->len; i++) {
        const struct rule *r = &f->rules[i];
        buf_printf(ret, "%s:%s", operations[r->operation], kinds[r->fault.kind]);
        if (r->fault.number > 0)
            buf_printf(ret, "=%u", r->fault.number);
        if (r->times > 0)
            buf_printf(ret, "*%u", r->times);
        if (r->every > 1)
            buf_printf(ret, "/%u", r->every);
        buf_append_text(ret, "\n");
    }
    pthread_mutex_unlock(&f->lock);
}

static void drop_rule(struct faults *f, size_t i)
{
    f->len--;
    memmove(&f->rules[i], &f->rules[i + 1], (f->len - i) * sizeof(f->rules[0]));
}

struct fault faults_next(struct faults *f, enum fault_operation operation)
{
    struct fault fault = {.kind = FAULT_NONE};
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->len && fault.kind == FAULT_NONE; i++) {
        struct rule *r = &f->rules[i];
        if ((r->operation != FAULT_ANY && r->operation != operation) || ++r->seen % r->every != 0)
            continue;
        fault = r->fault;
        if (r->times > 0 && --r->times == 0)
            drop_rule(f, i);
    }
    pthread_mutex_unlock(&f->lock);
    return fault;
}
