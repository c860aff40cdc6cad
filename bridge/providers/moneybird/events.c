#include "bridge/providers/moneybird/events.h"

#include <ctype.h>
#include <stdlib.h>

static const struct row {
    const char *name, *resource, *event_type;
} rows[] = {
#define E(name, resource, event_type) {name, resource, event_type},
#include "bridge/providers/moneybird/events.def"
};

static const struct group {
    const char *name, *resource;
} groups[] = {
#define G(group, resource) {group, resource},
#include "bridge/providers/moneybird/events.def"
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

size_t events_len(void)
{
    return ROWS;
}

const char *events_name(size_t n)
{
    return rows[n].name;
}

struct moneybird_meaning events_nth_meaning(size_t n)
{
    return (struct moneybird_meaning){rows[n].resource, rows[n].event_type};
}

static int compare_names(const void *key, const void *row)
{
    return strcmp(key, ((const struct row *)row)->name);
}

static const struct row *row_of(const char *action)
{
    return bsearch(action, rows, ROWS, sizeof(rows[0]), compare_names);
}

bool events_is_listed(const char *action)
{
    return row_of(action) != NULL;
}

bool events_is_group(const char *name)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (strcmp(groups[i].name, name) == 0)
            return true;
    return false;
}

/* The group that the name begins with, or is; the longest of them; NULL for none. */
static const struct group *group_of(const char *name)
{
    const struct group *longest = NULL;
    for (size_t i = 0; i < GROUPS; i++) {
        size_t len = strlen(groups[i].name);
        if (strncmp(name, groups[i].name, len) != 0 || (name[len] != '_' && name[len] != '\0'))
            continue;
        if (longest == NULL || len > strlen(longest->name))
            longest = &groups[i];
    }
    return longest;
}

static const char *event_type_of(const char *verb)
{
    if (strcmp(verb, "created") == 0 || strncmp(verb, "created_", strlen("created_")) == 0)
        return "CREATED";
    if (strcmp(verb, "destroyed") == 0 || strcmp(verb, "deleted") == 0)
        return "DELETED";
    return "UPDATED";
}

static const char *upper(struct bytes text, struct arena *a)
{
    char *copy = arena_dup(a, text);
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    return copy;
}

static enum status meaning_of_unlisted(const char *action, struct arena *a,
                                       struct moneybird_meaning *ret)
{
    const struct group *group = group_of(action);
    if (group != NULL) {
        size_t len = strlen(group->name);
        ret->resource = group->resource;
        ret->event_type = event_type_of(action[len] == '_' ? action + len + 1 : "");
        return STATUS_OK;
    }
    const char *last = strrchr(action, '_');
    bool has_verb = last != NULL && last > action && last[1] != '\0';
    ret->resource = upper(bytes_of(action, has_verb ? (size_t)(last - action) : strlen(action)), a);
    ret->event_type = event_type_of(has_verb ? last + 1 : "");
    return ret->resource == NULL ? STATUS_NOMEM : STATUS_OK;
}

enum status events_meaning(const char *action, struct arena *a, struct moneybird_meaning *ret)
{
    const struct row *row = row_of(action);
    if (row == NULL)
        return meaning_of_unlisted(action, a, ret);
    *ret = (struct moneybird_meaning){row->resource, row->event_type};
    return STATUS_OK;
}

/* "SalesInvoice" becomes "sales_invoice". */
static const char *snake_case(const char *class, struct arena *a)
{
    char *snake = arena_alloc(a, 2 * strlen(class) + 1), *to = snake;
    if (snake == NULL)
        return NULL;
    for (const char *from = class; *from != '\0'; from++) {
        bool starts_word = isupper((unsigned char)*from) && from > class;
        if (starts_word)
            *to++ = '_';
        *to++ = (char)tolower((unsigned char)*from);
    }
    *to = '\0';
    return snake;
}

enum status events_meaning_of_class(const char *entity_type, struct arena *a,
                                    struct moneybird_meaning *ret)
{
    const char *snake = snake_case(entity_type, a);
    if (snake == NULL)
        return STATUS_NOMEM;
    const struct group *group = group_of(snake);
    ret->resource = group != NULL ? group->resource : upper(bytes_of_text(snake), a);
    ret->event_type = NULL;
    return ret->resource == NULL ? STATUS_NOMEM : STATUS_OK;
}
