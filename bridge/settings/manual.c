#include "bridge/settings/manual.h"

#include "bridge/base/scoped.h"
#include "bridge/settings/account_files.h"
#include "bridge/settings/integrations.h"
#include "bridge/settings/route_files.h"
#include "bridge/settings/settings.h"

/* More than the longest expectation, in bytes. */
static const size_t text_max = 4096;

static const char description[] =
    "One file serves all processes; `--config FILE` names it. It is YAML 1.2 (so JSON is fine), "
    "strict: one document, no aliases, anchors or tags, no key twice, no unknown key. A dot in a "
    "key below stands for a map in a map: `kafka.brokers` is\n"
    "\n"
    "  kafka:\n"
    "    brokers: kafka.example.com:9092\n"
    "\n"
    "A relative path is relative to the file it stands in. Secrets stand in files of their own, "
    "never in these; one newline at a secret's end is no part of it.\n"
    "\n"
    "Routes, accounts, the content of every secret and certificate file, and the settings marked "
    "`reloaded` take effect without a restart, when a file changes or on SIGHUP; a faulty file "
    "changes nothing. The others need a restart.\n"
    "\n"
    "`maesn-bridge check` tells every problem of every file in one run, `maesn-bridge config "
    "print` "
    "the values in force and where each comes from, `maesn-bridge config reference` what stands "
    "here, also as JSON Schemas.\n";

static const char *used_by(const struct setting *row)
{
    if (row->flags & SETTING_INGRESS)
        return "used by the ingress";
    return row->flags & SETTING_RECONCILER ? "used by the reconciler" : "used by both processes";
}

/* The value and the default of a setting as one sentence. */
static void print_value(const struct setting *row, struct buf *ret)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, text_max);
    setting_expectation(row, &text);
    if (row->flags & SETTING_REQUIRED)
        buf_append_text(&text, "; required");
    else if (row->default_text[0] == '\0')
        buf_append_text(&text, "; empty by default");
    else
        buf_printf(&text, "; default `%s`", row->default_text);
    buf_printf(&text, "; %s%s.", used_by(row), row->flags & SETTING_RELOADED ? "; `reloaded`" : "");
    if (text.status != STATUS_OK)
        ret->status = text.status;
    roff_text(ret, buf_text(&text));
}

static void print_settings(struct buf *ret)
{
    roff_macro(ret, "SH", "SETTINGS");
    for (size_t id = 0; id < SETTINGS_LEN; id++) {
        const struct setting *row = &settings_table[id];
        roff_entry(ret, row->key, "");
        roff_text(ret, row->doc);
        buf_append_text(ret, ".br\n");
        print_value(row, ret);
    }
}

static void print_fields(const char *title, const char *text, const struct field fields[],
                         struct buf *ret)
{
    roff_macro(ret, "SH", title);
    roff_text(ret, text);
    for (; fields->name != NULL; fields++) {
        roff_entry(ret, fields->name, fields->required ? "(required)" : "");
        roff_text(ret, fields->doc);
        buf_append_text(ret, ".br\n");
        roff_text(ret, fields->expectation);
    }
}

void manual_print(const struct roff_title *title, struct buf *ret)
{
    roff_title(ret, &(struct roff_title){.name = "MAESN-BRIDGE.YAML",
                                         .section = "5",
                                         .date = title->date,
                                         .source = title->source,
                                         .manual = "File formats"});
    roff_macro(ret, "SH", "NAME");
    buf_append_text(ret, "maesn\\-bridge.yaml \\- settings, routes and accounts of "
                         "maesn\\-bridge\n");
    roff_macro(ret, "SH", "SYNOPSIS");
    buf_append_text(ret, ".I /etc/maesn\\-bridge/bridge.yaml\n");
    roff_macro(ret, "SH", "DESCRIPTION");
    roff_text(ret, description);
    print_settings(ret);
    print_fields("STATIC ROUTES",
                 "Each file of `routes_dir` is a map with one list, `routes`; each route is one "
                 "callback URL that somebody registered by hand.",
                 route_fields_table, ret);
    print_fields("ACCOUNTS",
                 "Each file of `accounts_dir` is a map with one list, `accounts`: what the "
                 "reconciler keeps subscribed.",
                 account_fields, ret);
    print_fields("SUBSCRIPTIONS", "Each element of an account's list `subscriptions`.",
                 account_subscription_fields, ret);
    print_fields("INTEGRATIONS",
                 "Each value of the map `maesn.integrations`, whose keys are target systems.",
                 integration_fields, ret);
    roff_macro(ret, "SH", "SEE ALSO");
    buf_append_text(ret, ".BR maesn\\-bridge (1)\n");
}
