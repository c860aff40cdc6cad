#include "bridge/cli/sealed_topics.h"

const char *sealed_topics_name(const struct registry_access *x, enum sealed_topic topic)
{
    switch (topic) {
    case SEALED_REGISTRY:
        return x->settings->topics_registry;
    case SEALED_ACCOUNTS:
        return x->settings->topics_accounts;
    }
    return "";
}

enum status sealed_topics_open(const struct registry_access *x, struct sealed_topics *ret,
                               struct diag *diag)
{
    enum status status = STATUS_OK;
    for (int topic = 0; status == STATUS_OK && topic < SEALED_TOPICS; topic++)
        status = registry_access_open(x, sealed_topics_name(x, (enum sealed_topic)topic),
                                      &ret->of[topic], diag);
    return status;
}

void sealed_topics_close(struct sealed_topics *t)
{
    for (int topic = 0; topic < SEALED_TOPICS; topic++)
        topic_table_close(t->of[topic]);
}

bool sealed_topics_of_key(struct bytes key, enum sealed_topic *ret)
{
    switch (registry_key_read(key).kind) {
    case REGISTRY_KEY_ROUTE:
    case REGISTRY_KEY_ACCOUNT:
        *ret = SEALED_REGISTRY;
        return true;
    case REGISTRY_KEY_DECLARATION:
        *ret = SEALED_ACCOUNTS;
        return true;
    case REGISTRY_KEY_REQUEST:
    case REGISTRY_KEY_UNKNOWN:
        return false;
    }
    return false;
}
