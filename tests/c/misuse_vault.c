/* Wrong calls of the vault's verbs beyond tokenize, lookup, detokenize and deactivate; and that right ones do what the
 * header says. */
#include "misuse.h"

/* ---- the functions ---- */

static panseal_status run_tokenize_many(struct call *c)
{
    return panseal_vault_tokenize_many(c->vault, c->card, c->cards, c->options, c->manners, c->instrument, c->status,
                                       c->err);
}

static panseal_status run_list(struct call *c)
{
    return panseal_vault_list(c->vault, c->query, c->instrument, c->page_cap, c->count, c->err);
}

static panseal_status run_count(struct call *c)
{
    return panseal_vault_count(c->vault, c->query, c->total, c->err);
}

static panseal_status run_find(struct call *c)
{
    return panseal_vault_find(c->vault, c->text.ptr, c->text.len, c->instrument, c->page_cap, c->count, c->err);
}

static panseal_status run_name(struct call *c)
{
    return panseal_vault_name(c->vault, c->text.ptr, c->text.len, c->out, c->cap, c->len, c->err);
}

static panseal_status run_metadata(struct call *c)
{
    return panseal_vault_metadata(c->vault, c->text.ptr, c->text.len, c->out, c->cap, c->len, c->err);
}

static panseal_status run_update(struct call *c)
{
    return panseal_vault_update(c->vault, c->text.ptr, c->text.len, c->change, c->instrument, c->err);
}

static panseal_status run_reactivate(struct call *c)
{
    return panseal_vault_reactivate(c->vault, c->text.ptr, c->text.len, c->err);
}

static panseal_status run_delete(struct call *c)
{
    return panseal_vault_delete(c->vault, c->text.ptr, c->text.len, c->err);
}

static panseal_status run_purge(struct call *c)
{
    return panseal_vault_purge_expired(c->vault, NULL, NULL, c->purged, c->err);
}

static panseal_status run_customer_create(struct call *c)
{
    return panseal_vault_customer_create(c->vault, c->text.ptr, c->text.len, c->second.ptr, c->second.len, c->third.ptr,
                                         c->third.len, c->customer, c->err);
}

static panseal_status run_customer_get(struct call *c)
{
    return panseal_vault_customer_get(c->vault, c->text.ptr, c->text.len, c->customer, c->err);
}

static panseal_status run_customer_find(struct call *c)
{
    return panseal_vault_customer_find(c->vault, c->text.ptr, c->text.len, c->customer, c->err);
}

static panseal_status run_customer_data(struct call *c)
{
    return panseal_vault_customer_data(c->vault, c->text.ptr, c->text.len, c->out, c->cap, c->len, c->err);
}

static panseal_status run_customer_update(struct call *c)
{
    return panseal_vault_customer_update(c->vault, c->text.ptr, c->text.len, c->third.ptr, c->third.len, c->customer,
                                         c->err);
}

static panseal_status run_customer_mark(struct call *c)
{
    return panseal_vault_customer_mark(c->vault, c->text.ptr, c->text.len, c->form, c->customer, c->err);
}

static panseal_status run_customer_delete(struct call *c)
{
    return panseal_vault_customer_delete(c->vault, c->text.ptr, c->text.len, c->err);
}

static panseal_status run_customer_list(struct call *c)
{
    return panseal_vault_customer_list(c->vault, c->second.ptr, c->second.len, c->customer, c->page_cap, c->count,
                                       c->err);
}

static panseal_status run_rotate(struct call *c)
{
    return panseal_vault_rotate(c->vault, c->epoch, c->err);
}

static panseal_status run_rewrap(struct call *c)
{
    return panseal_vault_rewrap(c->vault, c->progress, NULL, NULL, c->total, NULL, c->err);
}

static panseal_status run_destroy(struct call *c)
{
    return panseal_vault_destroy(c->vault, c->first, c->err);
}

static panseal_status run_destroy_damaged(struct call *c)
{
    return panseal_vault_destroy_even_if_damaged(c->vault, c->first, NULL, NULL, c->total, c->err);
}

static panseal_status run_check(struct call *c)
{
    return panseal_vault_check(c->vault, c->progress, NULL, NULL, c->total, NULL, c->err);
}

static panseal_status run_change_index(struct call *c)
{
    return panseal_vault_change_index(c->vault, c->progress, NULL, NULL, c->epoch, NULL, c->err);
}

static panseal_status run_change_root(struct call *c)
{
    return panseal_vault_change_root(c->vault, c->literal, c->root_fn, NULL, c->err);
}

static panseal_status run_require_actor(struct call *c)
{
    return panseal_vault_require_actor(c->vault, (int32_t)c->first, c->err);
}

static panseal_status run_status(struct call *c)
{
    return panseal_vault_status(c->vault, c->state, c->vault_epochs, c->page_cap, c->count, c->err);
}

static panseal_status run_audit(struct call *c)
{
    return panseal_vault_audit(c->vault, c->audit_query, c->lines, c->page_cap, c->count, c->err);
}

static panseal_status run_verify(struct call *c)
{
    return panseal_vault_verify_audit(c->vault, c->head, c->report, c->err);
}

static panseal_status run_prune(struct call *c)
{
    return panseal_vault_prune_audit(c->vault, c->before, c->total, c->err);
}

static panseal_status run_guard(struct call *c)
{
    return panseal_vault_guard(c->vault, c->guard, NULL, c->err);
}

const struct function vault_tokenize_many = {"panseal_vault_tokenize_many", run_tokenize_many};
static const struct function list = {"panseal_vault_list", run_list};
static const struct function count = {"panseal_vault_count", run_count};
static const struct function find = {"panseal_vault_find", run_find};
static const struct function name = {"panseal_vault_name", run_name};
static const struct function metadata = {"panseal_vault_metadata", run_metadata};
static const struct function update = {"panseal_vault_update", run_update};
static const struct function reactivate = {"panseal_vault_reactivate", run_reactivate};
static const struct function delete_one = {"panseal_vault_delete", run_delete};
static const struct function purge = {"panseal_vault_purge_expired", run_purge};
static const struct function customer_create = {"panseal_vault_customer_create", run_customer_create};
static const struct function customer_get = {"panseal_vault_customer_get", run_customer_get};
static const struct function customer_find = {"panseal_vault_customer_find", run_customer_find};
static const struct function customer_data = {"panseal_vault_customer_data", run_customer_data};
static const struct function customer_update = {"panseal_vault_customer_update", run_customer_update};
static const struct function customer_mark = {"panseal_vault_customer_mark", run_customer_mark};
static const struct function customer_delete = {"panseal_vault_customer_delete", run_customer_delete};
static const struct function customer_list = {"panseal_vault_customer_list", run_customer_list};
static const struct function rotate = {"panseal_vault_rotate", run_rotate};
static const struct function rewrap = {"panseal_vault_rewrap", run_rewrap};
static const struct function destroy = {"panseal_vault_destroy", run_destroy};
static const struct function destroy_damaged = {"panseal_vault_destroy_even_if_damaged", run_destroy_damaged};
static const struct function check_all = {"panseal_vault_check", run_check};
static const struct function change_index = {"panseal_vault_change_index", run_change_index};
static const struct function change_root = {"panseal_vault_change_root", run_change_root};
static const struct function require_actor = {"panseal_vault_require_actor", run_require_actor};
static const struct function state_of = {"panseal_vault_status", run_status};
static const struct function audit = {"panseal_vault_audit", run_audit};
static const struct function verify_audit = {"panseal_vault_verify_audit", run_verify};
static const struct function prune_audit = {"panseal_vault_prune_audit", run_prune};
static const struct function set_guard = {"panseal_vault_guard", run_guard};

static const struct function *const verbs[] = {
    &vault_tokenize_many, &list, &count, &find, &name, &metadata, &update, &reactivate, &delete_one, &purge,
    &customer_create, &customer_get, &customer_find, &customer_data, &customer_update, &customer_mark, &customer_delete,
    &customer_list, &rotate, &rewrap, &destroy, &destroy_damaged, &check_all, &change_index, &change_root,
    &require_actor, &state_of, &audit, &verify_audit, &prune_audit, &set_guard};

/* Those that take a token, or a customer's id, as their text. */
static const struct function *const of_token[] = {&name, &metadata, &update, &reactivate, &delete_one};
static const struct function *const of_customer[] = {&customer_create, &customer_get,  &customer_find,  &customer_data,
                                                     &customer_update, &customer_mark, &customer_delete};
/* Those that fill a page, of which there must be a row, and those that can do without. */
static const struct function *const pages[] = {&list, &customer_list, &audit};

/* ---- right calls ---- */

static panseal_text token_of(const panseal_instrument *instrument)
{
    return words(instrument->token);
}

static panseal_instrument stored(panseal_vault *vault, const char *number, const panseal_tokenize_options *options)
{
    panseal_card card;
    panseal_instrument made;
    PANSEAL_INIT(card);
    PANSEAL_INIT(made);
    card.number = words(number);
    HOLDS(panseal_vault_tokenize(vault, &card, options, &made, NULL) == PANSEAL_OK);
    return made;
}

static void make_customer(const char *id, const char *reference)
{
    panseal_text data = words("{\"phone\":\"+385 1 234\"}");
    HOLDS(panseal_vault_customer_create(good_vault, id, strlen(id), reference, strlen(reference), data.ptr, data.len,
                                        NULL, NULL) == PANSEAL_OK);
}

/* What these functions take, as it should be. */
void begin_vault(struct call *c)
{
    static char fresh[32];
    static unsigned long serial;
    const struct function *f = c->function;
    static int is_there;

    c->cards = c->manners = 1;
    c->page_cap = 1;
    c->query = &c->in.query;
    c->change = &c->in.change;
    c->audit_query = &c->in.audit_query;
    c->purged = &c->to.purged;
    c->customer = &c->to.customer;
    c->state = &c->to.state;
    c->report = &c->to.report;
    c->vault_epochs = &c->to.vault_epoch;
    c->lines = &c->to.line;
    c->total = &c->to.total;
    for (size_t i = 0; i < COUNT(of_customer); ++i) {
        if (f == of_customer[i]) {
            if (!is_there) {
                is_there = 1;
                make_customer("c-1", "r-1");
            }
            c->text = f == &customer_find ? given(c, "r-1", 3) : given(c, "c-1", 3);
            c->third = given(c, "{}", 2);
        }
    }
    if (f == &customer_create || f == &customer_delete) {
        snprintf(fresh, sizeof fresh, "fresh-%lu", ++serial);
        c->text = given(c, fresh, strlen(fresh));
        if (f == &customer_delete) {
            make_customer(fresh, "");
        }
    } else if (f == &find) {
        c->text = given(c, NUMBER, sizeof NUMBER - 1);
    } else if (f == &update || f == &reactivate) {
        c->text = given(c, victim.token, strlen(victim.token));
    } else if (f == &delete_one) {
        panseal_instrument made = stored(good_vault, NUMBER, NULL);
        c->text = given(c, made.token, strlen(made.token));
    } else if (f == &change_root) {
        c->literal = root_of("cards.root");
    }
}

/* ---- wrong calls ---- */

static const char filler[8192] = {0};

static void token_argument_rows(void)
{
    for (size_t i = 0; i < COUNT(of_token); ++i) {
        const struct function *f = of_token[i];
        ROW(*f, PANSEAL_OK, c->err = NULL);
        ROW(*f, PANSEAL_E_NULL, c->text.ptr = NULL);
        ROW(*f, PANSEAL_E_NULL, c->text.len = 0);
        ROW(*f, PANSEAL_E_TOKEN, c->text.len -= 1);
        ROW(*f, PANSEAL_E_TOKEN, c->text = filled(c, 't', PANSEAL_TOKEN_MAX));
        ROW(*f, PANSEAL_E_TOKEN, c->text = filled(c, 't', PANSEAL_TOKEN_MAX + 1));
        ROW(*f, PANSEAL_E_TOKEN, c->text = filled(c, 0, 48));
        ROW(*f, PANSEAL_E_TOKEN, c->text = filled(c, '\xff', 48));
        ROW(*f, PANSEAL_E_TOKEN, c->text.len = SIZE_MAX);
        ROW(*f, PANSEAL_E_TOKEN, c->text = given(c, NUMBER, 16));
    }
    for (size_t i = 0; i < COUNT(of_customer); ++i) {
        const struct function *f = of_customer[i];
        ROW(*f, PANSEAL_OK, c->err = NULL);
        ROW(*f, PANSEAL_E_NULL, c->text.ptr = NULL);
        ROW(*f, PANSEAL_E_NULL, c->text.len = 0);
        ROW(*f, PANSEAL_E_UTF8, c->text = given(c, "c\xff", 2));
        ROW(*f, PANSEAL_E_ARGUMENT, c->text = given(c, "c\0d", 3));
        ROW(*f, PANSEAL_E_ARGUMENT, c->text = filled(c, 'c', PANSEAL_ID_MAX + 1));
        ROW(*f, PANSEAL_E_ARGUMENT, c->text.len = SIZE_MAX);
        if (f != &customer_create) {
            ROW(*f, PANSEAL_E_TOKEN, c->text = filled(c, 'n', PANSEAL_ID_MAX));
        }
    }
}

static void many_rows(void)
{
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2, PANSEAL_MANY_MAX + 1};
    struct call *c;

    for (size_t i = 0; i < COUNT(absurd); ++i) {
        ROW(vault_tokenize_many, PANSEAL_E_LIMIT, c->at = (long)i + 1; c->cards = absurd[i]);
        ROW(vault_tokenize_many, PANSEAL_E_ARGUMENT, c->at = (long)i + 1; c->manners = absurd[i]);
    }
    ROW(vault_tokenize_many, PANSEAL_OK, c->err = NULL);
    ROW(vault_tokenize_many, PANSEAL_OK, c->instrument = NULL);
    ROW(vault_tokenize_many, PANSEAL_OK, c->options = NULL; c->manners = 0);
    ROW(vault_tokenize_many, PANSEAL_OK, c->cards = 0 /* options for all of them */);
    ROW(vault_tokenize_many, PANSEAL_OK, c->card = NULL; c->cards = 0);
    ROW(vault_tokenize_many, PANSEAL_E_ARGUMENT, c->manners = 2);
    ROW(vault_tokenize_many, PANSEAL_E_NULL, c->card = NULL);
    ROW(vault_tokenize_many, PANSEAL_E_NULL, c->options = NULL);
    ROW(vault_tokenize_many, PANSEAL_E_NULL, c->status = NULL);
    ROW(vault_tokenize_many, PANSEAL_E_ARGUMENT, c->status = (panseal_status *)(void *)((char *)block(c, 9) + 1));

    /* The second card was not initialised. */
    c = begin(&vault_tokenize_many);
    c->card = block(c, 2 * sizeof *c->card);
    memset(c->card, 0, 2 * sizeof *c->card);
    c->card[0] = c->in.card;
    c->cards = 2;
    c->instrument = NULL;
    end(c, "the second card was not initialised", PANSEAL_E_STRUCT);

    /* What is wrong with a row is said in the row. */
    c = begin(&vault_tokenize_many);
    c->options->reuse = 3;
    end(c, "reuse is 3", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_E_ARGUMENT && c->to.instrument.token[0] == 0);
    c = begin(&vault_tokenize_many);
    c->card->number.ptr = "4242424242424241";
    end(c, "a wrong digit", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_E_LUHN && c->to.instrument.token[0] == 0);
    c = begin(&vault_tokenize_many);
    c->card->flags = 64;
    end(c, "an unknown flag", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_E_ARGUMENT);
}

static void option_rows(void)
{
    panseal_text holds_number = words("{\"note\":\"" NUMBER "\"}");

    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->reuse = PANSEAL_REUSE_CUSTOMER /* of no customer */);
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->reserved = 1);
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->keep_until = -1);
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->keep_until = INT64_MIN);
    ROW(vault_tokenize, PANSEAL_OK, c->options->keep_until = INT64_MAX);
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->idempotency_key = bytes(filler, PANSEAL_ID_MAX + 1));
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->idempotency_key = bytes("k\0", 2));
    ROW(vault_tokenize, PANSEAL_E_UTF8, c->options->idempotency_key = words("\xff"));
    ROW(vault_tokenize, PANSEAL_E_UTF8, c->options->metadata = words("{\"a\":\"\xff\"}"));
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->metadata = bytes("{}", SIZE_MAX));
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->scheme = "siv");
    ROW(vault_tokenize, PANSEAL_OK, c->options->metadata = words("{}"));
    REFUSED(vault_tokenize, PANSEAL_PARAM_METADATA, PANSEAL_E_MALFORMED, c->options->metadata = words("[]"));
    REFUSED(vault_tokenize, PANSEAL_PARAM_METADATA, PANSEAL_E_CHARSET, c->options->metadata = holds_number);
    REFUSED(vault_tokenize, PANSEAL_PARAM_METADATA, PANSEAL_E_TOO_LONG,
            c->options->metadata = bytes(filler, PANSEAL_METADATA_MAX + 1));
    ROW(vault_open, PANSEAL_E_TAMPERED, c->how->commitment = (const uint8_t *)"the commitment of another vault.");
    ROW(vault_open, PANSEAL_OK, c->how->second_root = "file:no.root");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->second_root = "");
    ROW(vault_open, PANSEAL_E_UTF8, c->how->second_root = "file:\xff");
    ROW(vault_open, PANSEAL_OK, c->how->min_generation = 1);
    ROW(vault_open, PANSEAL_E_TAMPERED, c->how->min_generation = INT64_MAX);
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->min_generation = -1);
}

static void query_rows(void)
{
    for (int bit = 3; bit < 32; ++bit) {
        ROW(list, PANSEAL_E_ARGUMENT, c->at = bit; c->query->flags = (uint32_t)1 << bit);
        ROW(count, PANSEAL_E_ARGUMENT, c->at = bit; c->query->flags = (uint32_t)1 << bit);
    }
    ROW(list, PANSEAL_OK, c->query = NULL);
    ROW(count, PANSEAL_OK, c->query = NULL);
    ROW(list, PANSEAL_E_ARGUMENT, c->query->flags = PANSEAL_QUERY_ACTIVE | PANSEAL_QUERY_INACTIVE);
    ROW(list, PANSEAL_E_ARGUMENT, c->query->flags = PANSEAL_QUERY_NO_CUSTOMER; c->query->customer = words("c-1"));
    ROW(list, PANSEAL_E_ARGUMENT, c->query->reserved = 1);
    ROW(list, PANSEAL_E_LIMIT, c->query->offset = 10001);
    ROW(list, PANSEAL_E_LIMIT, c->query->offset = UINT32_MAX);
    ROW(list, PANSEAL_OK, c->query->offset = 10000);
    ROW(list, PANSEAL_E_ARGUMENT, c->query->customer = bytes(filler, PANSEAL_ID_MAX + 1));
    ROW(list, PANSEAL_E_UTF8, c->query->customer = words("\xff"));
    ROW(list, PANSEAL_E_UTF8, c->query->after = words("\xff"));
    ROW(list, PANSEAL_OK, c->query->after = words("zzz"));
    ROW(list, PANSEAL_E_ARGUMENT, c->query->after = bytes("t", SIZE_MAX));
    ROW(count, PANSEAL_E_NULL, c->total = NULL);
    for (size_t i = 0; i < COUNT(pages); ++i) {
        ROW(*pages[i], PANSEAL_OK, c->err = NULL);
        ROW(*pages[i], PANSEAL_E_NULL, c->count = NULL);
        ROW(*pages[i], PANSEAL_E_ARGUMENT, c->page_cap = 0);
        ROW(*pages[i], PANSEAL_E_ARGUMENT, c->page_cap = SIZE_MAX);
        ROW(*pages[i], PANSEAL_E_NULL, c->instrument = NULL; c->customer = NULL; c->lines = NULL);
    }
    ROW(find, PANSEAL_OK, c->instrument = NULL; c->page_cap = 0);
    ROW(find, PANSEAL_E_NULL, c->instrument = NULL);
    ROW(find, PANSEAL_E_NULL, c->count = NULL);
    ROW(find, PANSEAL_E_ARGUMENT, c->page_cap = SIZE_MAX);
    ROW(find, PANSEAL_E_MISSING, c->text.ptr = NULL);
    ROW(find, PANSEAL_E_LENGTH, c->text.len = 11);
    ROW(find, PANSEAL_E_CHARSET, c->text = filled(c, '\xff', 16));
    ROW(find, PANSEAL_E_ARGUMENT, c->text.len = SIZE_MAX);
    ROW(customer_list, PANSEAL_E_UTF8, c->second = given(c, "\xff", 1));
    ROW(customer_list, PANSEAL_E_ARGUMENT, c->second = filled(c, 'c', PANSEAL_ID_MAX + 1));
    ROW(audit, PANSEAL_OK, c->audit_query = NULL);
    ROW(audit, PANSEAL_E_ARGUMENT, c->audit_query->reserved = 1);
    ROW(audit, PANSEAL_E_UTF8, c->audit_query->token = words("\xff"));
    ROW(audit, PANSEAL_E_ARGUMENT, c->audit_query->token = bytes(filler, PANSEAL_TOKEN_MAX + 1));
    ROW(audit, PANSEAL_OK, memset(c->audit_query->after, 0xff, PANSEAL_LINE_ID_LEN));
}

static void change_rows(void)
{
    for (int bit = 5; bit < 32; ++bit) {
        ROW(update, PANSEAL_E_ARGUMENT, c->at = bit; c->change->fields = (uint32_t)1 << bit);
    }
    ROW(update, PANSEAL_E_NULL, c->change = NULL);
    ROW(update, PANSEAL_OK, c->instrument = NULL);
    ROW(update, PANSEAL_E_ARGUMENT, c->change->expiry_month = 12 /* not named */);
    ROW(update, PANSEAL_E_ARGUMENT, c->change->expiry_year = 2030 /* not named */);
    ROW(update, PANSEAL_E_ARGUMENT, c->change->name = words("ADA") /* not named */);
    ROW(update, PANSEAL_E_ARGUMENT, c->change->customer = words("c-2") /* not named */);
    ROW(update, PANSEAL_E_ARGUMENT, c->change->metadata = words("{}") /* not named */);
    ROW(update, PANSEAL_E_ARGUMENT, c->change->keep_until = 1 /* not named */);
    ROW(update, PANSEAL_E_ARGUMENT, c->change->fields = PANSEAL_CHANGE_KEEP_UNTIL; c->change->keep_until = -1);
    ROW(update, PANSEAL_E_ARGUMENT, c->change->fields = PANSEAL_CHANGE_CUSTOMER;
        c->change->customer = bytes(filler, PANSEAL_ID_MAX + 1));
    ROW(update, PANSEAL_E_UTF8, c->change->fields = PANSEAL_CHANGE_NAME; c->change->name = words("\xff"));
    REFUSED(update, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MALFORMED, c->change->fields = PANSEAL_CHANGE_EXPIRY);
    REFUSED(update, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MALFORMED, c->change->fields = PANSEAL_CHANGE_EXPIRY;
            c->change->expiry_month = 13; c->change->expiry_year = 2030);
    REFUSED(update, PANSEAL_PARAM_NAME, PANSEAL_E_MALFORMED, c->change->fields = PANSEAL_CHANGE_NAME;
            c->change->name = words(NUMBER));
    REFUSED(update, PANSEAL_PARAM_NAME, PANSEAL_E_TOO_LONG, c->change->fields = PANSEAL_CHANGE_NAME;
            c->change->name = filled(c, 'A', PANSEAL_NAME_MAX + 1));
    REFUSED(update, PANSEAL_PARAM_METADATA, PANSEAL_E_MALFORMED, c->change->fields = PANSEAL_CHANGE_METADATA;
            c->change->metadata = words("7"));
    ROW(update, PANSEAL_OK, c->change->fields = PANSEAL_CHANGE_NAME;
        c->change->name = filled(c, 'A', PANSEAL_NAME_MAX));
    ROW(update, PANSEAL_OK, c->change->fields = PANSEAL_CHANGE_NAME);

    ROW(customer_create, PANSEAL_E_CONFLICT, c->text = given(c, "c-1", 3));
    ROW(customer_create, PANSEAL_E_CONFLICT, c->second = given(c, "r-1", 3));
    ROW(customer_create, PANSEAL_E_ARGUMENT, c->second = filled(c, 'r', PANSEAL_ID_MAX + 1));
    ROW(customer_create, PANSEAL_E_UTF8, c->third = given(c, "\xff", 1));
    ROW(customer_create, PANSEAL_E_LIMIT, c->third = filled(c, 'd', PANSEAL_METADATA_MAX + 1));
    REFUSED(customer_create, PANSEAL_PARAM_METADATA, PANSEAL_E_CHARSET, c->third = given(c, NUMBER, 16));
    REFUSED(customer_create, PANSEAL_PARAM_METADATA, PANSEAL_E_CHARSET, c->text = given(c, NUMBER, 16));
    REFUSED(customer_create, PANSEAL_PARAM_METADATA, PANSEAL_E_CHARSET, c->second = given(c, NUMBER, 16));
    REFUSED(vault_tokenize, PANSEAL_PARAM_METADATA, PANSEAL_E_CHARSET, c->options->customer = words(NUMBER));
    REFUSED(vault_tokenize, PANSEAL_PARAM_METADATA, PANSEAL_E_CHARSET, c->options->idempotency_key = words(NUMBER));
    REFUSED(vault_detokenize, PANSEAL_PARAM_METADATA, PANSEAL_E_CHARSET, c->reason = given(c, NUMBER, 16));
    ROW(customer_create, PANSEAL_OK, c->customer = NULL);
    ROW(customer_update, PANSEAL_OK, c->customer = NULL);
    ROW(customer_mark, PANSEAL_OK, c->customer = NULL);
    ROW(customer_get, PANSEAL_E_NULL, c->customer = NULL);
    ROW(customer_find, PANSEAL_E_NULL, c->customer = NULL);
    ROW(customer_update, PANSEAL_E_LIMIT, c->third = filled(c, 'd', PANSEAL_METADATA_MAX + 1));
    ROW(customer_mark, PANSEAL_E_ARGUMENT, c->form = 2);
    ROW(customer_mark, PANSEAL_E_ARGUMENT, c->form = -1);
    ROW(customer_data, PANSEAL_E_BUFFER, c->cap = 1);
    ROW(customer_data, PANSEAL_E_NULL, c->out = NULL);
    ROW(customer_data, PANSEAL_E_NULL, c->len = NULL);
    ROW(name, PANSEAL_E_NULL, c->len = NULL);
    ROW(metadata, PANSEAL_E_NULL, c->out = NULL);
    ROW(purge, PANSEAL_OK, c->purged = NULL);
}

static int32_t stops(void *userdata, uint64_t done, uint64_t total)
{
    (void)userdata;
    return done <= total ? 42 : 0;
}

static void key_rows(void)
{
    struct call *c = begin(&rewrap);
    c->progress = stops;
    end(c, "progress that stops it", PANSEAL_E_CALLBACK);
    HOLDS(c->to.err.system == 42);
    ROW(rewrap, PANSEAL_OK, c->total = NULL);
    ROW(change_index, PANSEAL_OK, c->epoch = NULL);
    ROW(check_all, PANSEAL_OK, c->total = NULL);
    ROW(check_all, PANSEAL_E_CALLBACK, c->progress = stops);
    ROW(destroy_damaged, PANSEAL_E_EPOCH, c->first = 1 /* active */);
    ROW(destroy_damaged, PANSEAL_E_EPOCH, c->first = 99);
    ROW(destroy, PANSEAL_E_EPOCH, c->first = 0);
    ROW(destroy, PANSEAL_E_EPOCH, c->first = 1 /* active */);
    ROW(destroy, PANSEAL_E_EPOCH, c->first = 99);
    ROW(destroy, PANSEAL_E_EPOCH, c->first = UINT32_MAX);
    ROW(change_root, PANSEAL_E_NULL, c->literal = NULL);
    ROW(change_root, PANSEAL_E_ARGUMENT, c->literal = "");
    ROW(change_root, PANSEAL_E_UTF8, c->literal = "file:\xff");
    ROW(change_root, PANSEAL_E_ROOT_KEY, c->literal = root_of("no.root"));
    ROW(require_actor, PANSEAL_E_ARGUMENT, c->first = 2);
    ROW(require_actor, PANSEAL_E_ARGUMENT, c->first = UINT32_MAX);
    ROW(state_of, PANSEAL_OK, c->state = NULL);
    ROW(state_of, PANSEAL_OK, c->vault_epochs = NULL; c->page_cap = 0);
    ROW(state_of, PANSEAL_E_NULL, c->vault_epochs = NULL);
    ROW(state_of, PANSEAL_E_NULL, c->count = NULL);
    ROW(state_of, PANSEAL_E_ARGUMENT, c->page_cap = SIZE_MAX);
    ROW(verify_audit, PANSEAL_E_NULL, c->report = NULL);
    ROW(prune_audit, PANSEAL_OK, c->total = NULL);
    ROW(prune_audit, PANSEAL_E_ARGUMENT, c->before = -1);
    ROW(set_guard, PANSEAL_OK, c->guard = NULL);
}

static void vault_struct_rows(void)
{
    STRUCT(vault_tokenize_many, card, INPUT);
    STRUCT(vault_tokenize_many, options, INPUT);
    GROWN(vault_tokenize_many, instrument, damaged, OUTPUT);
    STRUCT(vault_tokenize_many, err, ERROR);
    STRUCT(list, query, INPUT);
    GROWN(list, instrument, damaged, OUTPUT);
    STRUCT(list, err, ERROR);
    STRUCT(count, query, INPUT);
    GROWN(find, instrument, damaged, OUTPUT);
    STRUCT(name, err, ERROR);
    STRUCT(metadata, err, ERROR);
    STRUCT(update, change, INPUT);
    GROWN(update, instrument, damaged, OUTPUT);
    STRUCT(delete_one, err, ERROR);
    GROWN(purge, purged, damaged, OUTPUT);
    GROWN(customer_create, customer, damaged, OUTPUT);
    GROWN(customer_get, customer, damaged, OUTPUT);
    GROWN(customer_list, customer, damaged, OUTPUT);
    STRUCT(customer_delete, err, ERROR);
    STRUCT(rewrap, err, ERROR);
    STRUCT(check_all, err, ERROR);
    STRUCT(change_index, err, ERROR);
    STRUCT(change_root, err, ERROR);
    GROWN(state_of, state, commitment, OUTPUT);
    STRUCT(state_of, vault_epochs, OUTPUT);
    STRUCT(audit, audit_query, INPUT);
    STRUCT(audit, lines, OUTPUT);
    STRUCT(verify_audit, report, OUTPUT);
    STRUCT(prune_audit, err, ERROR);
    STRUCT(set_guard, err, ERROR);
}

/* ---- right calls, on a vault of their own ---- */

static panseal_vault *life;

static void batches(void)
{
    enum { CARDS = 4 };
    static const char *const numbers[CARDS] = {NUMBER, "5555555555554444", "4242424242424241", NUMBER};
    panseal_card cards[CARDS];
    panseal_tokenize_options options[CARDS];
    panseal_instrument made[CARDS], page[2], again;
    panseal_status status[CARDS];
    panseal_query query;
    size_t count, seen = 0;
    uint64_t total;

    for (int i = 0; i < CARDS; ++i) {
        PANSEAL_INIT(cards[i]);
        PANSEAL_INIT(options[i]);
        cards[i].number = words(numbers[i]);
        cards[i].name = words("ADA BYRON");
        options[i].customer = words("c-1");
        options[i].metadata = words("{\"order\":\"7\"}");
    }
    options[0].idempotency_key = words("k-1");
    options[3].reuse = PANSEAL_REUSE_CUSTOMER;
    PANSEAL_INIT(made[0]);
    HOLDS(panseal_vault_tokenize_many(life, cards, CARDS, options, CARDS, made, status, NULL) == PANSEAL_OK);
    HOLDS(status[0] == PANSEAL_OK && status[1] == PANSEAL_OK && status[2] == PANSEAL_E_LUHN && status[3] == PANSEAL_OK);
    HOLDS(strcmp(made[1].network, "MASTERCARD") == 0 && made[1].struct_size == sizeof made[1] && made[2].token[0] == 0);
    HOLDS(strcmp(made[3].token, made[0].token) == 0 && made[3].reused == 1 && made[0].reused == 0);

    PANSEAL_INIT(again);
    HOLDS(panseal_vault_tokenize(life, &cards[0], &options[0], &again, NULL) == PANSEAL_OK);
    HOLDS(strcmp(again.token, made[0].token) == 0 && again.reused == 1);
    HOLDS(panseal_vault_tokenize(life, &cards[1], &options[0], &again, NULL) == PANSEAL_E_CONFLICT);

    HOLDS(panseal_vault_tokenize_many(life, cards, 2, NULL, 0, NULL, status, NULL) == PANSEAL_OK);
    PANSEAL_INIT(query);
    HOLDS(panseal_vault_count(life, &query, &total, NULL) == PANSEAL_OK && total == 4);
    query.flags = PANSEAL_QUERY_NO_CUSTOMER;
    HOLDS(panseal_vault_count(life, &query, &total, NULL) == PANSEAL_OK && total == 2);
    query.flags = 0;
    do {
        PANSEAL_INIT(page[0]);
        HOLDS(panseal_vault_list(life, &query, page, 1 + seen % 2, &count, NULL) == PANSEAL_OK);
        seen += count;
        if (count > 0) {
            HOLDS(query.after.len == 0 || strcmp(page[0].token, again.token) > 0);
            again = page[count - 1];
            query.after = token_of(&again);
        }
    } while (count > 0);
    HOLDS(seen == 4);
    PANSEAL_INIT(page[0]);
    HOLDS(panseal_vault_find(life, NUMBER, 16, page, 2, &count, NULL) == PANSEAL_OK && count == 2);
    HOLDS(strcmp(page[1].last4, "4242") == 0);
    HOLDS(panseal_vault_find(life, "378282246310005", 15, NULL, 0, &count, NULL) == PANSEAL_OK && count == 0);
}

static void none_is_damaged(void *userdata, const char *kind, const char *merchant, const char *id)
{
    (void)userdata;
    (void)merchant;
    (void)id;
    HOLDS(strcmp(kind, "none") == 0);
}

static void changes(void)
{
    panseal_tokenize_options options;
    panseal_instrument made, changed;
    panseal_change change;
    panseal_purged purged;
    char room[PANSEAL_METADATA_MAX];
    size_t len;

    PANSEAL_INIT(options);
    PANSEAL_INIT(change);
    PANSEAL_INIT(changed);
    PANSEAL_INIT(purged);
    made = stored(life, "4000056655665556", &options);
    change.fields = PANSEAL_CHANGE_EXPIRY | PANSEAL_CHANGE_NAME | PANSEAL_CHANGE_CUSTOMER | PANSEAL_CHANGE_METADATA
                    | PANSEAL_CHANGE_KEEP_UNTIL;
    change.expiry_month = 11;
    change.expiry_year = 31;
    change.name = words("GRACE HOPPER");
    change.customer = words("c-9");
    change.metadata = words("{\"a\":1}");
    change.keep_until = 1;
    HOLDS(panseal_vault_update(life, made.token, strlen(made.token), &change, &changed, NULL) == PANSEAL_OK);
    HOLDS(changed.expiry_month == 11 && changed.expiry_year == 2031 && changed.keep_until == 1);
    HOLDS(strcmp(changed.customer, "c-9") == 0);
    HOLDS(panseal_vault_name(life, made.token, strlen(made.token), room, 12, &len, NULL) == PANSEAL_OK);
    HOLDS(len == 12 && memcmp(room, "GRACE HOPPER", 12) == 0);
    HOLDS(panseal_vault_name(life, made.token, strlen(made.token), room, 11, &len, NULL) == PANSEAL_E_BUFFER);
    HOLDS(len == 12);
    HOLDS(panseal_vault_metadata(life, made.token, strlen(made.token), room, sizeof room, &len, NULL) == PANSEAL_OK);
    HOLDS(strcmp(room, "{\"a\":1}") == 0 && len == 7);
    HOLDS(panseal_vault_deactivate(life, made.token, strlen(made.token), NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_reactivate(life, made.token, strlen(made.token), NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_lookup(life, made.token, strlen(made.token), &changed, NULL) == PANSEAL_OK);
    HOLDS(changed.active == 1);
    HOLDS(panseal_vault_purge_expired(life, none_is_damaged, NULL, &purged, NULL) == PANSEAL_OK);
    HOLDS(purged.instruments == 1 && purged.cards == 1);
    HOLDS(panseal_vault_lookup(life, made.token, strlen(made.token), &changed, NULL) == PANSEAL_E_TOKEN);
    made = stored(life, "4000056655665556", NULL);
    HOLDS(panseal_vault_delete(life, made.token, strlen(made.token), NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_delete(life, made.token, strlen(made.token), NULL) == PANSEAL_E_TOKEN);
}

static void customers(void)
{
    panseal_tokenize_options options;
    panseal_customer customer, page[2];
    panseal_card card;
    panseal_instrument made;
    char data[16];
    size_t len, count;

    PANSEAL_INIT(customer);
    PANSEAL_INIT(page[0]);
    PANSEAL_INIT(options);
    PANSEAL_INIT(card);
    PANSEAL_INIT(made);
    HOLDS(panseal_vault_customer_create(life, "p-1", 3, "ref", 3, "first", 5, &customer, NULL) == PANSEAL_OK);
    HOLDS(strcmp(customer.id, "p-1") == 0 && strcmp(customer.reference, "ref") == 0 && customer.data_len == 5);
    HOLDS(panseal_vault_customer_create(life, "p-2", 3, NULL, 0, NULL, 0, NULL, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_customer_update(life, "p-1", 3, "second", 6, &customer, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_customer_data(life, "p-1", 3, data, sizeof data, &len, NULL) == PANSEAL_OK);
    HOLDS(strcmp(data, "second") == 0 && customer.data_len == len);
    HOLDS(panseal_vault_customer_mark(life, "p-1", 3, 1, &customer, NULL) == PANSEAL_OK && customer.deleted_at > 0);
    HOLDS(panseal_vault_customer_find(life, "ref", 3, &customer, NULL) == PANSEAL_OK && customer.deleted_at > 0);
    HOLDS(panseal_vault_customer_mark(life, "p-1", 3, 0, &customer, NULL) == PANSEAL_OK && customer.deleted_at == 0);
    HOLDS(panseal_vault_customer_list(life, NULL, 0, page, 2, &count, NULL) == PANSEAL_OK && count == 2);
    HOLDS(strcmp(page[0].id, "p-1") == 0 && strcmp(page[1].id, "p-2") == 0);
    HOLDS(panseal_vault_customer_list(life, "p-2", 3, page, 2, &count, NULL) == PANSEAL_OK && count == 0);

    options.customer = words("p-1");
    options.customer_limit = 1;
    card.number = words(NUMBER);
    HOLDS(panseal_vault_tokenize(life, &card, &options, &made, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_tokenize(life, &card, &options, &made, NULL) == PANSEAL_E_LIMIT);
    HOLDS(panseal_vault_customer_delete(life, "p-1", 3, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_tokenize(life, &card, &options, &made, NULL) == PANSEAL_E_ARGUMENT);
    HOLDS(panseal_vault_customer_get(life, "p-1", 3, &customer, NULL) == PANSEAL_E_TOKEN);
}

static int32_t watches(void *userdata, uint64_t done, uint64_t total)
{
    uint64_t *told = userdata;
    told[0] += 1;
    told[1] = done;
    told[2] = total;
    return 0;
}

static void keys(void)
{
    panseal_vault_state state;
    panseal_vault_epoch epochs[2];
    panseal_instrument made = stored(life, NUMBER, NULL), found;
    char number[PANSEAL_PAN_MAX];
    uint64_t told[3] = {0, 0, 0}, sealed = 0, damaged = 1;
    uint32_t epoch = 0, generation = 0;
    size_t count, len;

    PANSEAL_INIT(state);
    PANSEAL_INIT(epochs[0]);
    PANSEAL_INIT(found);
    HOLDS(panseal_vault_rotate(life, &epoch, NULL) == PANSEAL_OK && epoch == 2);
    HOLDS(panseal_vault_destroy(life, 1, NULL) == PANSEAL_E_EPOCH);
    HOLDS(panseal_vault_rewrap(life, stops, NULL, NULL, &sealed, NULL, NULL) == PANSEAL_E_CALLBACK && sealed == 0);
    HOLDS(panseal_vault_rewrap(life, watches, none_is_damaged, told, &sealed, &damaged, NULL) == PANSEAL_OK);
    HOLDS(damaged == 0);
    HOLDS(told[0] > 0 && told[1] == told[2] && told[2] > 5);
    HOLDS(panseal_vault_status(life, NULL, epochs, 1, &count, NULL) == PANSEAL_E_BUFFER && count == 2);
    HOLDS(panseal_vault_status(life, &state, epochs, 2, &count, NULL) == PANSEAL_OK && count == 2);
    HOLDS(epochs[0].id == 1 && epochs[0].state == PANSEAL_EPOCH_DECRYPT_ONLY && epochs[0].cards == 0);
    HOLDS(epochs[1].id == 2 && epochs[1].state == PANSEAL_EPOCH_ACTIVE && epochs[1].cards == state.cards);
    HOLDS(epochs[1].instruments == state.instruments && strlen(epochs[1].check) == 10 && state.cards == 2);
    HOLDS(strcmp(state.store, "sqlite") == 0 && state.index == 1 && state.index_count == 1 && state.generation == 2);
    HOLDS(panseal_vault_destroy(life, 1, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_change_index(life, stops, NULL, NULL, &generation, NULL, NULL) == PANSEAL_E_CALLBACK);
    HOLDS(generation == 0);
    HOLDS(panseal_vault_status(life, &state, NULL, 0, &count, NULL) == PANSEAL_OK && state.index_count == 2);
    damaged = 1;
    HOLDS(panseal_vault_change_index(life, NULL, none_is_damaged, NULL, &generation, &damaged, NULL) == PANSEAL_OK);
    HOLDS(generation == 2 && damaged == 0);
    HOLDS(panseal_vault_find(life, NUMBER, 16, &found, 1, &count, NULL) == PANSEAL_OK && count > 1);
    HOLDS(panseal_root_create(root_of("life.root"), NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_change_root(life, root_of("life.root"), NULL, NULL, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_detokenize(life, made.token, strlen(made.token), "test", 4, number, sizeof number, &len, NULL)
          == PANSEAL_OK && memcmp(number, NUMBER, 16) == 0);
}

static void trail(void)
{
    enum { LINES = 4 };
    panseal_audit_line lines[LINES];
    panseal_audit_query query;
    panseal_instrument made = stored(life, NUMBER, NULL);
    char number[PANSEAL_PAN_MAX], reason[PANSEAL_REASON_MAX];
    size_t count, len, all = 0;
    panseal_vault_state state;
    panseal_audit_report report;
    uint64_t pruned = 0;
    int64_t newest = 0;

    PANSEAL_INIT(state);
    PANSEAL_INIT(report);
    HOLDS(panseal_vault_status(life, &state, NULL, 0, &count, NULL) == PANSEAL_OK);
    memset(reason, 'r', sizeof reason);
    HOLDS(panseal_vault_detokenize(life, made.token, strlen(made.token), reason, sizeof reason, number, sizeof number,
                                   &len, NULL) == PANSEAL_OK);
    PANSEAL_INIT(query);
    PANSEAL_INIT(lines[0]);
    query.token = token_of(&made);
    HOLDS(panseal_vault_audit(life, &query, lines, LINES, &count, NULL) == PANSEAL_OK && count == 2);
    HOLDS(strcmp(lines[0].action, "tokenize") == 0 && strcmp(lines[1].action, "detokenize") == 0);
    HOLDS(strcmp(lines[1].actor, "life") == 0 && strlen(lines[1].reason) == sizeof reason && lines[1].at > 0);
    HOLDS(strcmp(lines[1].token, made.token) == 0);
    PANSEAL_INIT(query);
    do {
        PANSEAL_INIT(lines[0]);
        HOLDS(panseal_vault_audit(life, &query, lines, LINES, &count, NULL) == PANSEAL_OK);
        all += count;
        if (count > 0) {
            HOLDS(memcmp(query.after, lines[0].id, sizeof query.after) < 0);
            memcpy(query.after, lines[count - 1].id, sizeof query.after);
            newest = lines[count - 1].at;
        }
    } while (count > 0);
    HOLDS(all > 10);
    HOLDS(panseal_vault_verify_audit(life, state.audit_head, &report, NULL) == PANSEAL_OK);
    HOLDS(report.fault == PANSEAL_AUDIT_WHOLE && report.merchants > 0 && report.joined >= all && report.pruned == 0);
    HOLDS(panseal_vault_prune_audit(life, 1, &pruned, NULL) == PANSEAL_OK && pruned == 0);
    HOLDS(panseal_vault_prune_audit(life, newest + 1000, &pruned, NULL) == PANSEAL_OK && pruned >= all);
    HOLDS(panseal_vault_verify_audit(life, state.audit_head, &report, NULL) == PANSEAL_OK);
    HOLDS(report.fault == PANSEAL_AUDIT_WHOLE && report.pruned == pruned);
    state.audit_head[31] ^= 1;
    HOLDS(panseal_vault_verify_audit(life, state.audit_head, &report, NULL) == PANSEAL_OK);
    HOLDS(report.fault == PANSEAL_AUDIT_CUT && strcmp(report.fault_table, "audit_main") == 0);
}

struct seen {
    char merchant[PANSEAL_ID_ROOM], actor[PANSEAL_ID_ROOM], kind[PANSEAL_WORD_ROOM];
    size_t count, calls;
    int32_t answer;
};

static int32_t sees(void *userdata, const char *merchant, const char *actor, const char *kind, size_t count)
{
    struct seen *seen = userdata;
    strcpy(seen->merchant, merchant);
    strcpy(seen->actor, actor);
    strcpy(seen->kind, kind);
    seen->count = count;
    seen->calls += 1;
    return seen->answer;
}

static void guarded(void)
{
    panseal_instrument made = stored(life, NUMBER, NULL), found;
    struct seen seen = {"", "", "", 0, 0, 0};
    panseal_vault *other;
    size_t count;
    uint64_t before, after;

    PANSEAL_INIT(found);
    HOLDS(panseal_vault_guard(life, sees, &seen, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_lookup(life, made.token, strlen(made.token), &found, NULL) == PANSEAL_OK);
    HOLDS(strcmp(seen.kind, "lookup") == 0 && strcmp(seen.actor, "life") == 0 && seen.count == 1 && seen.calls == 1);
    HOLDS(panseal_vault_merchant(life, "m2", &other, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_find(other, NUMBER, 16, NULL, 0, &count, NULL) == PANSEAL_OK && count == 0);
    HOLDS(strcmp(seen.kind, "find") == 0 && strcmp(seen.merchant, "m2") == 0);
    HOLDS(panseal_vault_count(life, NULL, &before, NULL) == PANSEAL_OK);
    seen.answer = -1;
    HOLDS(panseal_vault_delete(life, made.token, strlen(made.token), NULL) == PANSEAL_E_CALLBACK);
    HOLDS(panseal_vault_find(other, NUMBER, 16, NULL, 0, &count, NULL) == PANSEAL_E_CALLBACK);
    HOLDS(panseal_vault_guard(other, NULL, NULL, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_count(life, NULL, &after, NULL) == PANSEAL_OK && after == before);
    HOLDS(panseal_vault_close(other) == PANSEAL_OK);
}

static void right_calls(void)
{
    panseal_open_options how = good_options();
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = url_of("life.db");
    how.actor = "life";
    HOLDS(panseal_vault_open(&how, &life, NULL) == PANSEAL_OK);
    batches();
    changes();
    customers();
    keys();
    trail();
    guarded();
    HOLDS(panseal_vault_close(life) == PANSEAL_OK);
    how.url = "memory:";
    HOLDS(panseal_vault_open(&how, &life, NULL) == PANSEAL_OK);
    batches();
    changes();
    customers();
    trail();
    guarded();
    HOLDS(panseal_vault_close(life) == PANSEAL_OK);
    HOLDS(panseal_has_feature("postgres") == 1);
}

/* ---- arrays of a program that knows more ---- */

enum { MORE = 32, WIDE = 2 };

/* Rows with more fields than the library knows, of which only the first was initialised. */
static void *wide(struct call *c, size_t size)
{
    uint32_t stride = (uint32_t)(size + MORE);
    unsigned char *rows = block(c, WIDE * stride);
    memset(rows, 0, stride);
    memset(rows + stride, PATTERN, stride);
    memcpy(rows, &stride, sizeof stride);
    return rows;
}

static void end_wide(struct call *c, const void *rows, size_t size)
{
    static const unsigned char zeros[MORE] = {0};
    const unsigned char *second = (const unsigned char *)rows + size + MORE;
    uint32_t stride;
    end(c, "rows of a program that knows more", PANSEAL_OK);
    memcpy(&stride, second, sizeof stride);
    holds(c->function->name, stride == size + MORE);
    holds(c->function->name, memcmp(second + size, zeros, MORE) == 0);
}

#define WIDE_ROWS(of, field, cap) \
    do { \
        struct call *c = begin(&of); \
        void *rows = wide(c, sizeof *c->field); \
        c->field = rows; \
        c->cap = WIDE; \
        end_wide(c, rows, sizeof *c->field); \
    } while (0)

static void wide_rows(void)
{
    struct call *c;
    panseal_card *cards;
    void *rows;
    make_customer("wide-1", "");
    make_customer("wide-2", "");
    WIDE_ROWS(list, instrument, page_cap);
    WIDE_ROWS(find, instrument, page_cap);
    WIDE_ROWS(customer_list, customer, page_cap);
    WIDE_ROWS(audit, lines, page_cap);
    WIDE_ROWS(tokenizer_status, epochs, epochs_cap);

    c = begin(&vault_tokenize_many);
    cards = block(c, WIDE * sizeof *cards);
    cards[0] = cards[1] = c->in.card;
    rows = wide(c, sizeof *c->instrument);
    c->card = cards;
    c->cards = WIDE;
    c->instrument = rows;
    end_wide(c, rows, sizeof *c->instrument);
}

void vault_rows(void)
{
    option_rows();
    token_argument_rows();
    many_rows();
    query_rows();
    change_rows();
    key_rows();
    vault_struct_rows();
    wide_rows();
    right_calls();
}

void vault_handle_rows(const char *row, uintptr_t bits)
{
    for (size_t i = 0; i < COUNT(verbs); ++i) {
        struct call *c = begin(verbs[i]);
        memcpy(&c->vault, &bits, sizeof bits);
        end(c, row, PANSEAL_E_HANDLE);
    }
}
