#include "bridge/kafka/topic_map.h"

#include <stdlib.h>
#include <string.h>

void topic_map_init(struct topic_map *map, struct metrics *metrics)
{
    *map = (struct topic_map){.metrics = metrics};
}

static void topic_free(struct topic *topic)
{
    for (size_t i = 0; i < topic->lanes_len; i++) {
        lane_done(topic->lanes[i]);
        free(topic->lanes[i]);
    }
    free(topic->lanes);
    free(topic->name);
    free(topic);
}

void topic_map_done(struct topic_map *map)
{
    for (size_t i = 0; i < map->len; i++)
        topic_free(map->items[i]);
    free(map->items);
    *map = (struct topic_map){0};
}

/* FNV-1a, 32 bits. Source: draft-eastlake-fnv-35 section 2. */
static size_t bucket_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return hash % TOPIC_MAP_BUCKETS;
}

struct topic *topic_map_find(const struct topic_map *map, const char *name)
{
    struct topic *topic = map->buckets[bucket_of(name)];
    while (topic != NULL && strcmp(topic->name, name) != 0)
        topic = topic->next_in_bucket;
    return topic;
}

static void make_counters(struct topic_map *map, struct topic *topic)
{
    static const char *const results[TOPIC_RESULTS] = {
        [TOPIC_ACKED] = "acked", [TOPIC_FAILED] = "failed", [TOPIC_AMBIGUOUS] = "ambiguous"};
    const char *label = map->len < TOPIC_MAP_LABELS_MAX ? topic->name : "others";
    for (size_t i = 0; i < TOPIC_RESULTS; i++)
        topic->results[i] = metrics_counter(
            map->metrics, "maesn_bridge_kafka_messages_total",
            "Records by the result of their delivery report; ambiguous: maybe stored nevertheless.",
            (const struct metric_label[]){{"topic", label}, {"result", results[i]}}, 2);
}

static enum status map_reserve(struct topic_map *map)
{
    if (map->len == TOPIC_MAP_MAX)
        return STATUS_BUSY;
    if (map->len < map->capacity)
        return STATUS_OK;
    size_t capacity = map->capacity == 0 ? 64 : map->capacity * 2;
    struct topic **items = realloc(map->items, capacity * sizeof(struct topic *));
    if (items == NULL)
        return STATUS_NOMEM;
    map->items = items;
    map->capacity = capacity;
    return STATUS_OK;
}

enum status topic_map_add(struct topic_map *map, const char *name, struct topic **ret)
{
    struct topic *topic = topic_map_find(map, name);
    if (topic != NULL) {
        *ret = topic;
        return STATUS_OK;
    }
    enum status status = map_reserve(map);
    if (status != STATUS_OK)
        return status;
    topic = calloc(1, sizeof *topic);
    if (topic == NULL)
        return STATUS_NOMEM;
    topic->name = strdup(name);
    if (topic->name == NULL) {
        free(topic);
        return STATUS_NOMEM;
    }
    topic->index = map->len;
    make_counters(map, topic);
    struct topic **bucket = &map->buckets[bucket_of(name)];
    topic->next_in_bucket = *bucket;
    *bucket = topic;
    map->items[map->len++] = topic;
    *ret = topic;
    return STATUS_OK;
}

enum status topic_set_partitions(struct topic *topic, int32_t partitions_len)
{
    if ((size_t)partitions_len > topic->lanes_len) {
        struct lane **lanes = realloc(topic->lanes, (size_t)partitions_len * sizeof(struct lane *));
        if (lanes == NULL)
            return STATUS_NOMEM;
        topic->lanes = lanes;
    }
    while (topic->lanes_len < (size_t)partitions_len) {
        struct lane *lane = malloc(sizeof *lane);
        if (lane == NULL)
            return STATUS_NOMEM;
        lane_init(lane, topic->name, topic->index, (int32_t)topic->lanes_len);
        topic->lanes[topic->lanes_len++] = lane;
    }
    topic->partitions_len = partitions_len;
    return STATUS_OK;
}
