#include "bridge/settings/field.h"

#include <assert.h>
#include <stdio.h>

#include "bridge/settings/load.h"

#define KEY_MAX 512

static void refuse_unknown(const struct field fields[], const char *key, const struct node *n,
                           struct load *l)
{
    const char *names[FIELDS_MAX + 1] = {0};
    for (size_t i = 0; fields[i].name != NULL; i++)
        names[i] = fields[i].name;
    char full[KEY_MAX];
    snprintf(full, sizeof(full), "%s.%s", key, n->key);
    const char *nearest = load_suggest(names, n->key);
    if (nearest == NULL)
        load_error(l, n->key_place, full, "unknown key");
    else
        load_error(l, n->key_place, full, "unknown key (did you mean \"%s\"?)", nearest);
}

bool field_collect(const struct field fields[], const char *key, const struct node *n,
                   struct load *l, const struct node *values[FIELDS_MAX])
{
    memset(values, 0, FIELDS_MAX * sizeof(*values));
    if (n->kind != NODE_MAP) {
        load_mistyped(l, n, key, "a map");
        return false;
    }
    for (const struct node *child = n->first; child != NULL; child = child->next) {
        size_t i = 0;
        while (fields[i].name != NULL && strcmp(fields[i].name, child->key) != 0)
            i++;
        assert(i < FIELDS_MAX);
        if (fields[i].name == NULL)
            refuse_unknown(fields, key, child, l);
        else if (values[i] == NULL)
            values[i] = child;
    }
    for (size_t i = 0; fields[i].name != NULL; i++) {
        if (!fields[i].required || values[i] != NULL)
            continue;
        char full[KEY_MAX];
        snprintf(full, sizeof(full), "%s.%s", key, fields[i].name);
        load_error(l, n->place, full, "missing, expected %s", fields[i].expectation);
    }
    return true;
}

static bool is_one_line(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return text[0] != '\0';
}

static bool fits(const struct field *field, const struct node *n)
{
    bool is_text = node_is_text(n) || (field->kind == FIELD_LOOSE_TEXT && node_is_number(n));
    return is_text && is_one_line(n->text) && (field->is_valid == NULL || field->is_valid(n->text));
}

const char *field_text(const struct field *field, const char *key, const struct node *n,
                       struct load *l)
{
    if (n == NULL)
        return NULL;
    if (fits(field, n))
        return n->text;
    char full[KEY_MAX];
    snprintf(full, sizeof(full), "%s.%s", key, field->name);
    load_mistyped(l, n, full, field->expectation);
    return NULL;
}

struct text_list field_texts(const struct field *field, const char *key, const struct node *n,
                             struct load *l)
{
    struct text_list texts = {0};
    if (n == NULL)
        return texts;
    char full[KEY_MAX];
    snprintf(full, sizeof(full), "%s.%s", key, field->name);
    if (n->kind != NODE_LIST) {
        load_mistyped(l, n, full, field->expectation);
        return texts;
    }
    size_t len = 0;
    for (const struct node *item = n->first; item != NULL; item = item->next)
        len++;
    texts.items = load_alloc(l, len + 1, sizeof(*texts.items));
    for (const struct node *item = n->first; item != NULL && texts.items != NULL;
         item = item->next) {
        if (fits(field, item))
            texts.items[texts.len++] = load_copy(l, item->text);
        else
            load_mistyped(l, item, full, field->expectation);
    }
    return texts;
}

bool field_is_name(const char *text)
{
    size_t len = strlen(text);
    return len >= 1 && len <= 64 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == len;
}
