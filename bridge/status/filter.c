#include "bridge/status/filter.h"

#include <stdio.h>
#include <strings.h>

#include "bridge/status/html.h"

/* Half a million accounts. */
static const unsigned page_max = 10000;

#define BIT(value) (1U << (value))
#define ATTENTION                                                                                  \
    (BIT(ACCOUNT_IS_BLOCKED) | BIT(ACCOUNT_IS_INVALID) | BIT(ACCOUNT_IS_UNREADABLE) |              \
     BIT(ACCOUNT_IS_FAILING) | BIT(ACCOUNT_IS_DRIFTING) | BIT(ACCOUNT_IS_SILENT))

const struct filter_state filter_states[] = {
    {"attention", "Needs attention", ATTENTION, 0},
    {"blocked", "Blocked", BIT(ACCOUNT_IS_BLOCKED), 0},
    {"invalid", "Invalid", BIT(ACCOUNT_IS_INVALID), 0},
    {"unreadable", "Unreadable", BIT(ACCOUNT_IS_UNREADABLE), 0},
    {"failing", "Failing", BIT(ACCOUNT_IS_FAILING), 0},
    {"drifting", "Drifting", BIT(ACCOUNT_IS_DRIFTING), 0},
    {"silent", "Silent", BIT(ACCOUNT_IS_SILENT), 0},
    {"awaited", "Not looked at yet", BIT(ACCOUNT_IS_AWAITED), 0},
    {"fine", "Fine", BIT(ACCOUNT_IS_FINE), 0},
    {"elsewhere", "Led by another replica", BIT(ACCOUNT_IS_ELSEWHERE), 0},
    {"missing", "With a missing subscription", 0, BIT(SUBSCRIPTION_MISSING)},
    {"pending", "With a pending subscription", 0, BIT(SUBSCRIPTION_PENDING)},
    {"active", "With an active subscription", 0, BIT(SUBSCRIPTION_ACTIVE)},
    {"retiring", "With a retiring subscription", 0, BIT(SUBSCRIPTION_RETIRING)},
    {"retired", "With a retired subscription", 0, BIT(SUBSCRIPTION_RETIRED)},
};
const size_t filter_states_len = sizeof(filter_states) / sizeof(filter_states[0]);

const char *account_condition_name(enum account_condition condition)
{
    static const char *const names[ACCOUNT_CONDITIONS] = {
        [ACCOUNT_IS_BLOCKED] = "blocked",       [ACCOUNT_IS_INVALID] = "invalid",
        [ACCOUNT_IS_UNREADABLE] = "unreadable", [ACCOUNT_IS_FAILING] = "failing",
        [ACCOUNT_IS_DRIFTING] = "drifting",     [ACCOUNT_IS_SILENT] = "silent",
        [ACCOUNT_IS_AWAITED] = "awaited",       [ACCOUNT_IS_FINE] = "fine",
        [ACCOUNT_IS_ELSEWHERE] = "elsewhere",
    };
    return names[condition];
}

const char *subscription_state_name(enum subscription_state state)
{
    static const char *const names[SUBSCRIPTION_STATES] = {
        [SUBSCRIPTION_MISSING] = "missing", [SUBSCRIPTION_PENDING] = "pending",
        [SUBSCRIPTION_ACTIVE] = "active",   [SUBSCRIPTION_RETIRING] = "retiring",
        [SUBSCRIPTION_RETIRED] = "retired",
    };
    return names[state];
}

/* --- reading --------------------------------------------------------------------------------- */

static enum status parse_account(const char *account, struct filter *ret, struct diag *diag)
{
    while (*account == ' ')
        account++;
    size_t len = strlen(account);
    while (len > 0 && account[len - 1] == ' ')
        len--;
    if (len >= FILTER_ACCOUNT_SIZE)
        return diag_set(diag, STATUS_INVALID, "account: %zu characters, expected at most %d", len,
                        FILTER_ACCOUNT_SIZE - 1);
    memcpy(ret->account, account, len);
    return STATUS_OK;
}

static enum status parse_state(const char *state, struct filter *ret, struct diag *diag)
{
    for (size_t i = 0; i < filter_states_len; i++) {
        const struct filter_state *s = &filter_states[i];
        if (strcmp(s->name, state) != 0)
            continue;
        ret->state = s->name;
        ret->conditions = s->conditions;
        ret->states = s->states;
        return STATUS_OK;
    }
    return diag_set(diag, STATUS_INVALID, "state: \"%.40s\", expected one of those of the page",
                    state);
}

static enum status parse_page(const char *page, struct filter *ret, struct diag *diag)
{
    unsigned number = 0;
    const char *at = page;
    for (; *at >= '0' && *at <= '9' && number <= page_max; at++)
        number = number * 10 + (unsigned)(*at - '0');
    if (*at != '\0' || number < 1 || number > page_max)
        return diag_set(diag, STATUS_INVALID, "page: \"%.40s\", expected 1..%u", page, page_max);
    ret->page = number - 1;
    return STATUS_OK;
}

static bool is_given(const char *parameter)
{
    return parameter != NULL && parameter[0] != '\0';
}

enum status filter_parse(const char *account, const char *state, const char *page,
                         struct filter *ret, struct diag *diag)
{
    *ret = (struct filter){.state = NULL};
    struct filter parsed = {.state = NULL};
    enum status status = STATUS_OK;
    if (is_given(account))
        status = parse_account(account, &parsed, diag);
    if (status == STATUS_OK && is_given(state))
        status = parse_state(state, &parsed, diag);
    if (status == STATUS_OK && is_given(page))
        status = parse_page(page, &parsed, diag);
    if (status == STATUS_OK)
        *ret = parsed;
    return status;
}

/* --- use ------------------------------------------------------------------------------------- */

bool filter_accepts(const struct filter *f, const char *account, const char *system,
                    enum account_condition condition, unsigned has_states)
{
    if (f->conditions != 0 && (f->conditions & BIT(condition)) == 0)
        return false;
    if (f->states != 0 && (f->states & has_states) == 0)
        return false;
    return f->account[0] == '\0' || strcasestr(account, f->account) != NULL ||
           (system != NULL && strcasestr(system, f->account) != NULL);
}

static void print_parameter(const char *name, const char *value, size_t start, struct buf *ret)
{
    buf_printf(ret, "%s%s=", ret->len == start ? "?" : "&", name);
    html_query_value(ret, value);
}

void filter_print(const struct filter *f, unsigned page, struct buf *ret)
{
    size_t start = ret->len;
    char number[16];
    if (f->account[0] != '\0')
        print_parameter("account", f->account, start, ret);
    if (f->state != NULL)
        print_parameter("state", f->state, start, ret);
    snprintf(number, sizeof(number), "%u", page + 1);
    if (page > 0)
        print_parameter("page", number, start, ret);
}
