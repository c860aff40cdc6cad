#include "bridge/settings/document.h"

#include <ctype.h>
#include <yaml.h>

#include "bridge/base/scoped.h"

struct reader {
    yaml_parser_t yaml;
    const char *file;
    struct arena *arena;
    struct problems *problems;
    struct node *open[DOCUMENT_DEPTH_MAX]; /* the lists and maps around the next node */
    struct node *last[DOCUMENT_DEPTH_MAX]; /* the newest child of each */
    size_t children[DOCUMENT_DEPTH_MAX];   /* how many each has */
    size_t depth;
    const char *key; /* read, its value not yet; NULL: none */
    struct place key_place;
    struct node *root;
    bool failed;  /* something was refused: the tree is not handed out */
    bool stopped; /* and what follows cannot be understood */
};

/* libyaml counts from 0. */
static struct place place_at(const struct reader *r, yaml_mark_t mark)
{
    return (struct place){r->file, (unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static void refuse(struct reader *r, struct place place, const char *what)
{
    problems_add(r->problems, PROBLEM_ERROR, place, "(yaml)", "%s", what);
    r->failed = true;
}

static void refuse_and_stop(struct reader *r, struct place place, const char *what)
{
    refuse(r, place, what);
    r->stopped = true;
}

static void run_out_of_memory(struct reader *r)
{
    r->problems->status = STATUS_NOMEM;
    r->failed = r->stopped = true;
}

static bool in_map(const struct reader *r)
{
    return r->depth > 0 && r->open[r->depth - 1]->kind == NODE_MAP;
}

/* --- building ------------------------------------------------------------------------------ */

static const struct node *find_key(const struct node *map, const char *key)
{
    for (const struct node *child = map->first; child != NULL; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

/* Makes `n` the next child of what is open, under the key that was read. */
static void attach(struct reader *r, struct node *n)
{
    if (r->depth == 0) {
        r->root = n;
        return;
    }
    size_t level = r->depth - 1;
    struct node *parent = r->open[level];
    n->key = TAKE(r->key);
    n->key_place = r->key_place;
    if (parent->kind == NODE_MAP && ++r->children[level] > DOCUMENT_MAP_MAX) {
        refuse_and_stop(r, n->key_place, "a map of more than 1000 keys, expected fewer");
        return;
    }
    const struct node *twin = parent->kind == NODE_MAP ? find_key(parent, n->key) : NULL;
    if (twin != NULL)
        problems_add(r->problems, PROBLEM_ERROR, n->key_place, n->key,
                     "duplicate key, the first is at %s:%u:%u", r->file, twin->key_place.line,
                     twin->key_place.column);
    if (r->last[level] == NULL)
        parent->first = n;
    else
        r->last[level]->next = n;
    r->last[level] = n;
}

static struct node *add_node(struct reader *r, enum node_kind kind, yaml_mark_t mark)
{
    if (in_map(r) && r->key == NULL) {
        refuse_and_stop(r, place_at(r, mark), "a list or map as a key, expected text");
        return NULL;
    }
    struct node *n = arena_alloc(r->arena, sizeof(*n));
    if (n == NULL) {
        run_out_of_memory(r);
        return NULL;
    }
    *n = (struct node){.kind = kind, .place = place_at(r, mark)};
    attach(r, n);
    return n;
}

/* A scalar, or the key of the value to come. Returns the scalar's node, or NULL. */
static struct node *add_text(struct reader *r, struct bytes text, yaml_mark_t mark)
{
    if (memchr(text.data, '\0', text.len) != NULL) {
        refuse_and_stop(r, place_at(r, mark), "text with a NUL character, expected none");
        return NULL;
    }
    const char *copy = arena_dup(r->arena, text);
    if (copy == NULL) {
        run_out_of_memory(r);
        return NULL;
    }
    if (in_map(r) && r->key == NULL) {
        r->key = copy;
        r->key_place = place_at(r, mark);
        return NULL;
    }
    struct node *n = add_node(r, NODE_SCALAR, mark);
    if (n != NULL)
        n->text = copy;
    return n;
}

static void add_scalar(struct reader *r, const yaml_event_t *event)
{
    struct node *n = add_text(r, bytes_of(event->data.scalar.value, event->data.scalar.length),
                              event->start_mark);
    if (n != NULL)
        n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static void open_node(struct reader *r, enum node_kind kind, yaml_mark_t mark)
{
    if (r->depth == DOCUMENT_DEPTH_MAX) {
        refuse_and_stop(r, place_at(r, mark),
                        "more than 16 levels of lists and maps, expected fewer");
        return;
    }
    struct node *n = add_node(r, kind, mark);
    if (n == NULL)
        return;
    r->open[r->depth] = n;
    r->last[r->depth] = NULL;
    r->children[r->depth] = 0;
    r->depth++;
}

/* --- the strict subset --------------------------------------------------------------------- */

/* Anchors and tags: a reader would have to look elsewhere to know what a value is. */
static bool is_adorned(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL;
    default: /* libyaml's enum, not ours */
        return false;
    }
}

static void take_event(struct reader *r, const yaml_event_t *event)
{
    struct place place = place_at(r, event->start_mark);
    if (is_adorned(event))
        refuse(r, place, "an anchor or a tag, expected neither");
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        refuse(r, place, "an alias, expected the value itself");
        add_text(r, BYTES_LITERAL(""), event->start_mark);
        return;
    case YAML_DOCUMENT_START_EVENT:
        if (r->root != NULL)
            refuse_and_stop(r, place, "a second document, expected one");
        return;
    case YAML_SCALAR_EVENT:
        add_scalar(r, event);
        return;
    case YAML_SEQUENCE_START_EVENT:
        open_node(r, NODE_LIST, event->start_mark);
        return;
    case YAML_MAPPING_START_EVENT:
        open_node(r, NODE_MAP, event->start_mark);
        return;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        return;
    default: /* the stream's and the document's ends */
        return;
    }
}

static void refuse_syntax(struct reader *r)
{
    const char *problem = r->yaml.problem == NULL ? "cannot be read" : r->yaml.problem;
    if (r->yaml.error == YAML_MEMORY_ERROR)
        run_out_of_memory(r);
    else if (r->yaml.error == YAML_READER_ERROR)
        problems_add(r->problems, PROBLEM_ERROR, place_at(r, r->yaml.mark), "(yaml)",
                     "%s at byte %zu, expected UTF-8 text", problem, r->yaml.problem_offset);
    else if (r->yaml.context == NULL)
        refuse(r, place_at(r, r->yaml.problem_mark), problem);
    else
        problems_add(r->problems, PROBLEM_ERROR, place_at(r, r->yaml.problem_mark), "(yaml)",
                     "%s, %s at line %zu", problem, r->yaml.context, r->yaml.context_mark.line + 1);
    r->failed = true;
}

DEFINE_CLEANUP(yaml_parser_t *, yaml_parser_delete)

struct node *document_parse(const char *file, struct bytes text, struct arena *a,
                            struct problems *problems)
{
    struct reader r = {.file = arena_dup(a, bytes_of_text(file)), .arena = a, .problems = problems};
    if (r.file == NULL || !yaml_parser_initialize(&r.yaml)) {
        problems->status = STATUS_NOMEM;
        return NULL;
    }
    CLEANUP(yaml_parser_delete_scoped) yaml_parser_t *yaml = &r.yaml;
    yaml_parser_set_encoding(yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(yaml, text.data, text.len);

    for (bool ended = false; !ended && !r.stopped;) {
        yaml_event_t event;
        if (!yaml_parser_parse(yaml, &event)) {
            refuse_syntax(&r);
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        take_event(&r, &event);
        yaml_event_delete(&event);
    }
    if (!r.failed && r.root == NULL) /* nothing but comments: what is missing is told by name */
        (void)add_node(&r, NODE_MAP, (yaml_mark_t){0});
    return r.failed ? NULL : r.root;
}

/* --- what a plain scalar means ------------------------------------------------------------- */

static bool is_one_of(const struct node *n, const char *const words[])
{
    if (n->kind != NODE_SCALAR || !n->plain)
        return false;
    while (*words != NULL && strcmp(*words, n->text) != 0)
        words++;
    return *words != NULL;
}

bool node_is_null(const struct node *n)
{
    return is_one_of(n, (const char *const[]){"", "~", "null", "Null", "NULL", NULL});
}

bool node_is_bool(const struct node *n, bool *ret)
{
    if (is_one_of(n, (const char *const[]){"true", "True", "TRUE", NULL}))
        *ret = true;
    else if (is_one_of(n, (const char *const[]){"false", "False", "FALSE", NULL}))
        *ret = false;
    else
        return false;
    return true;
}

static const char *skip_digits(const char *text)
{
    while (isdigit((unsigned char)*text))
        text++;
    return text;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool spells_number(const char *text)
{
    text += *text == '-' || *text == '+';
    const char *whole_end = skip_digits(text), *end = whole_end;
    if (*end == '.')
        end = skip_digits(end + 1);
    if (end - text == (*whole_end == '.' ? 1 : 0) || end == text)
        return false;
    if (*end != 'e' && *end != 'E')
        return *end == '\0';
    end++;
    end += *end == '-' || *end == '+';
    return isdigit((unsigned char)*end) && *skip_digits(end) == '\0';
}

bool node_is_number(const struct node *n)
{
    return n->kind == NODE_SCALAR && n->plain && spells_number(n->text);
}

bool node_is_text(const struct node *n)
{
    bool ignored;
    return n->kind == NODE_SCALAR && !node_is_null(n) && !node_is_bool(n, &ignored) &&
           !node_is_number(n);
}
