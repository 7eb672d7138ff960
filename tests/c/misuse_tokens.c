/* Wrong calls of the tokenizer: what is no number, token, keyring, root, row or handle of its kind. */
#include "misuse.h"

#include <unistd.h>

static int32_t refusing_root(void *userdata, int32_t wrap, const char *key_id, const char *context, const uint8_t *from,
                             size_t from_len, uint8_t *out, size_t *out_len)
{
    (void)userdata, (void)wrap, (void)key_id, (void)context, (void)from, (void)from_len, (void)out, (void)out_len;
    return 42;
}

/* Says that it has written more than there is room for. */
static int32_t boasting_root(void *userdata, int32_t wrap, const char *key_id, const char *context, const uint8_t *from,
                             size_t from_len, uint8_t *out, size_t *out_len)
{
    (void)userdata, (void)wrap, (void)key_id, (void)context, (void)from, (void)from_len, (void)out;
    *out_len = SIZE_MAX;
    return 0;
}

static void open_rows(void)
{
    char path[512];
    struct call *c;

    ROW(tokenizer_open, PANSEAL_OK, c->err = NULL);
    ROW(tokenizer_open, PANSEAL_OK, c->how->flags = PANSEAL_OPEN_CREATE | PANSEAL_OPEN_NO_REVEAL);
    ROW(tokenizer_open, PANSEAL_OK, c->how->min_generation = 2);
    ROW(tokenizer_open, PANSEAL_E_TAMPERED, c->how->min_generation = INT64_MAX);
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->min_generation = -1);
    ROW(tokenizer_open, PANSEAL_E_NULL, c->how = NULL);
    ROW(tokenizer_open, PANSEAL_E_NULL, c->tokenizer_out = NULL);
    ROW(tokenizer_open, PANSEAL_E_NULL, c->how->url = NULL);
    ROW(tokenizer_open, PANSEAL_E_NULL, c->how->root = NULL);
    ROW(tokenizer_open, PANSEAL_E_NULL, c->how->scheme = NULL);
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->url = "");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->url = "/");
    ROW(tokenizer_open, PANSEAL_E_NOT_A_VAULT, c->how->url = path_of(path, "no.keyring"));
    ROW(tokenizer_open, PANSEAL_E_NOT_A_VAULT, c->how->url = path_of(path, "no/such/folder"));
    ROW(tokenizer_open, PANSEAL_E_NOT_A_VAULT, c->how->url = path_of(path, "other.db"));
    ROW(tokenizer_open, PANSEAL_E_NOT_A_VAULT, c->how->url = directory);
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->actor = "");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->busy_timeout_ms = 1);
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->reserved = 1);
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->scheme = "");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->scheme = "random");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->scheme = "surrogate:6+4");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->scheme = "ff1");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->scheme = "ff1:9+4");
    ROW(tokenizer_open, PANSEAL_E_DOMAIN, c->how->scheme = "ff1:0+3");
    ROW(tokenizer_open, PANSEAL_E_UTF8, c->how->scheme = "siv\xff");
    ROW(tokenizer_open, PANSEAL_E_UTF8, c->how->url = "\xff");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->url = literal(c, 'u', 1 << 20));
    ROW(tokenizer_open, PANSEAL_OK, c->how->merchant = literal(c, 'm', PANSEAL_ID_MAX));
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->merchant = literal(c, 'm', PANSEAL_ID_MAX + 1));
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->merchant = "m\n");
    ROW(tokenizer_open, PANSEAL_E_ROOT_KEY, c->how->root = root_of("no.root"));
    ROW(tokenizer_open, PANSEAL_E_ROOT_KEY, c->how->root = "env:PANSEAL_NO_SUCH_VARIABLE");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->root = "abacus:cards.root");
    ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->how->root_fn = refusing_root /* and a URI */);
    ROW(tokenizer_open, PANSEAL_E_ROOT_KEY, c->how->root = NULL; c->how->root_fn = refusing_root /* not asked */);
    for (int bit = 2; bit < 32; ++bit) {
        ROW(tokenizer_open, PANSEAL_E_ARGUMENT, c->at = bit; c->how->flags = (uint32_t)1 << bit);
    }

    /* Nothing is made where the root key cannot be had. */
    c = begin(&tokenizer_open);
    c->how->url = path_of(path, "fresh.keyring");
    c->how->flags = PANSEAL_OPEN_CREATE;
    c->how->root = NULL;
    c->how->root_fn = refusing_root;
    end(c, "a root that refuses", PANSEAL_E_CALLBACK);
    HOLDS(c->to.err.system == 42 && access(path, F_OK) != 0);
    c = begin(&tokenizer_open);
    c->how->url = path_of(path, "fresh.keyring");
    c->how->flags = PANSEAL_OPEN_CREATE;
    c->how->root = NULL;
    c->how->root_fn = boasting_root;
    end(c, "a root that says it wrote more than there is room for", PANSEAL_E_ROOT_KEY);
    HOLDS(access(path, F_OK) != 0);
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->root_fn = refusing_root);

    ROW(root_split, PANSEAL_OK, c->err = NULL);
    ROW(root_split, PANSEAL_E_NULL, c->literal = NULL);
    ROW(root_split, PANSEAL_E_NULL, c->second_literal = NULL);
    ROW(root_split, PANSEAL_E_ARGUMENT, c->second_literal = c->literal);
    ROW(root_split, PANSEAL_E_ARGUMENT, c->second_literal = "components:one");
    ROW(root_split, PANSEAL_E_UTF8, c->second_literal = "components:\xff,b");
    ROW(root_split, PANSEAL_E_ROOT_KEY, c->literal = root_of("no.root"));
}

static void value_rows(void)
{
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 2, 65537};
    uint8_t commitment[PANSEAL_COMMITMENT_LEN];
    panseal_tokenizer *till;
    panseal_open_options how = good_tokenizer_options();

    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; ++i) {
        long at = (long)i + 1;
        ROW(tokenizer_tokenize, PANSEAL_E_ARGUMENT, c->at = at; c->text.len = absurd[i]);
        ROW(tokenizer_candidates, PANSEAL_E_ARGUMENT, c->at = at; c->text.len = absurd[i]);
        ROW(classify, PANSEAL_E_ARGUMENT, c->at = at; c->text.len = absurd[i]);
        ROW(tokenizer_detokenize, PANSEAL_E_TOKEN, c->at = at; c->text.len = absurd[i]);
        ROW(tokenizer_retokenize, PANSEAL_E_TOKEN, c->at = at; c->text.len = absurd[i]);
        ROW(tokenizer_detokenize, PANSEAL_E_ARGUMENT, c->at = at;
            c->expect->last4 = given(c, "4242", 4); c->expect->last4.len = absurd[i]);
    }
    ROW(tokenizer_tokenize, PANSEAL_E_LENGTH, c->text.len = 11);
    ROW(tokenizer_tokenize, PANSEAL_E_LENGTH, c->text = filled(c, '4', 20));
    ROW(tokenizer_tokenize, PANSEAL_E_LENGTH, c->text = filled(c, '4', 65536));
    ROW(tokenizer_tokenize, PANSEAL_E_CHARSET, c->text = filled(c, '\xff', 16));
    ROW(tokenizer_tokenize, PANSEAL_E_CHARSET, c->text = filled(c, 0, 16));
    ROW(tokenizer_tokenize, PANSEAL_E_MALFORMED, c->text = filled(c, '0', 16));
    ROW(tokenizer_tokenize, PANSEAL_E_LUHN, c->text = given(c, "4242424242424241", 16));
    ROW(tokenizer_tokenize, PANSEAL_E_NETWORK, c->text = given(c, "6212345678900000003", 19));
    ROW(tokenizer_tokenize, PANSEAL_E_LENGTH, c->text = given(c, "424242424242424", 15));
    ROW(tokenizer_tokenize, PANSEAL_OK, c->text = given(c, "4242 4242-4242 4242", 19));
    ROW(tokenizer_candidates, PANSEAL_E_LUHN, c->text = given(c, "4242424242424241", 16));
    ROW(tokenizer_candidates, PANSEAL_E_NULL, c->count = NULL);

    ROW(tokenizer_detokenize, PANSEAL_E_TOKEN, c->text = given(c, NUMBER, 16) /* a number */);
    ROW(tokenizer_detokenize, PANSEAL_E_TOKEN, c->text = given(c, known.token, 48) /* the vault's */);
    ROW(tokenizer_detokenize, PANSEAL_E_TOKEN, c->text = filled(c, '\xff', 16));
    ROW(tokenizer_detokenize, PANSEAL_E_TOKEN, c->text = filled(c, 0, 16));
    ROW(tokenizer_detokenize, PANSEAL_E_TOKEN, c->text.len -= 5);
    ROW(tokenizer_detokenize, PANSEAL_E_TOKEN, c->text = filled(c, '1', PANSEAL_TOKEN_MAX));
    ROW(tokenizer_retokenize, PANSEAL_E_TOKEN, c->text = given(c, NUMBER, 16));
    ROW(tokenizer_detokenize, PANSEAL_OK, c->expect = NULL);
    ROW(tokenizer_retokenize, PANSEAL_OK, c->expect = NULL);
    ROW(tokenizer_detokenize, PANSEAL_OK, c->expect->last4.len = 4 /* and no pointer */);
    ROW(tokenizer_detokenize, PANSEAL_E_TOKEN, c->expect->last4 = given(c, "4243", 4));
    ROW(tokenizer_detokenize, PANSEAL_E_ARGUMENT, c->expect->last4 = given(c, "242", 3));
    ROW(tokenizer_detokenize, PANSEAL_E_ARGUMENT, c->expect->network = -1);
    ROW(tokenizer_detokenize, PANSEAL_E_ARGUMENT, c->expect->network = 255);
    ROW(tokenizer_detokenize, PANSEAL_E_ARGUMENT, c->expect->network = INT32_MAX);

    ROW(tokenizer_destroy, PANSEAL_E_EPOCH, c->first = 1 /* not said that tokens are gone */);
    ROW(tokenizer_destroy, PANSEAL_E_EPOCH, c->first = 2; c->flags = PANSEAL_TOKENS_ARE_GONE /* active */);
    ROW(tokenizer_destroy, PANSEAL_E_EPOCH, c->flags = PANSEAL_TOKENS_ARE_GONE /* not there */);
    ROW(tokenizer_destroy, PANSEAL_E_EPOCH, c->first = 0; c->flags = PANSEAL_TOKENS_ARE_GONE);
    ROW(tokenizer_destroy, PANSEAL_E_EPOCH, c->first = UINT32_MAX; c->flags = PANSEAL_TOKENS_ARE_GONE);
    for (int bit = 1; bit < 32; ++bit) {
        ROW(tokenizer_destroy, PANSEAL_E_ARGUMENT, c->at = bit; c->first = 1;
            c->flags = PANSEAL_TOKENS_ARE_GONE | (uint32_t)1 << bit);
    }
    ROW(tokenizer_free_slot, PANSEAL_E_EPOCH, c->first = 1 /* in use */);
    ROW(tokenizer_free_slot, PANSEAL_E_ARGUMENT, c->first = 9 /* free */);
    ROW(tokenizer_free_slot, PANSEAL_E_ARGUMENT, c->first = 0);
    ROW(tokenizer_free_slot, PANSEAL_E_ARGUMENT, c->first = 257);
    ROW(tokenizer_free_slot, PANSEAL_E_ARGUMENT, c->first = UINT32_MAX);
    ROW(tokenizer_change_root, PANSEAL_E_NULL, c->literal = NULL);
    ROW(tokenizer_change_root, PANSEAL_E_ARGUMENT, c->root_fn = refusing_root);
    ROW(tokenizer_change_root, PANSEAL_E_CALLBACK, c->literal = NULL; c->root_fn = refusing_root);
    ROW(tokenizer_change_root, PANSEAL_E_ROOT_KEY, c->literal = NULL; c->root_fn = boasting_root);
    ROW(tokenizer_change_root, PANSEAL_E_ROOT_KEY, c->literal = root_of("no.root"));
    ROW(tokenizer_change_root, PANSEAL_E_ARGUMENT, c->literal = "");
    ROW(tokenizer_change_root, PANSEAL_E_UTF8, c->literal = "file:\xff");

    ROW(tokenizer_commitment, PANSEAL_OK, c->err = NULL);
    ROW(tokenizer_commitment, PANSEAL_E_NULL, c->commitment = NULL);
    ROW(tokenizer_refresh, PANSEAL_OK, c->changed = NULL);
    ROW(tokenizer_refresh, PANSEAL_OK, c->err = NULL);
    ROW(tokenizer_status, PANSEAL_OK, c->generation = NULL);
    ROW(tokenizer_status, PANSEAL_OK, c->epochs = NULL; c->epochs_cap = 0);
    ROW(tokenizer_status, PANSEAL_OK, c->epochs_cap = 0);
    ROW(tokenizer_status, PANSEAL_E_NULL, c->epochs = NULL);
    ROW(tokenizer_status, PANSEAL_E_NULL, c->count = NULL);
    ROW(tokenizer_status, PANSEAL_E_BUFFER, c->epochs_cap = 1);
    ROW(tokenizer_status, PANSEAL_E_ARGUMENT, c->epochs_cap = SIZE_MAX);
    ROW(tokenizer_status, PANSEAL_E_ARGUMENT, c->epochs_cap = SIZE_MAX / sizeof(panseal_epoch));
    ROW(classify, PANSEAL_OK, c->slot = NULL);
    ROW(classify, PANSEAL_OK, c->text.ptr = NULL);
    ROW(classify, PANSEAL_E_NULL, c->epoch = NULL);

    /* The keyring is known again by what it said. */
    HOLDS(panseal_tokenizer_commitment(good_tokenizer, commitment, NULL) == PANSEAL_OK);
    ROW(tokenizer_open, PANSEAL_OK, c->how->commitment = commitment);
    commitment[0] ^= 1;
    ROW(tokenizer_open, PANSEAL_E_TAMPERED, c->how->commitment = commitment);

    /* A till's handle. */
    how.flags = PANSEAL_OPEN_NO_REVEAL;
    HOLDS(panseal_tokenizer_open(&how, &till, NULL) == PANSEAL_OK);
    ROW(tokenizer_tokenize, PANSEAL_OK, c->tokenizer = till);
    ROW(tokenizer_retokenize, PANSEAL_OK, c->tokenizer = till);
    ROW(tokenizer_detokenize, PANSEAL_E_IRREVERSIBLE, c->tokenizer = till);
    ROW(tokenizer_detokenize_many, PANSEAL_E_IRREVERSIBLE, c->tokenizer = till);
    HOLDS(panseal_tokenizer_close(till) == PANSEAL_OK);
}

/* ---- batches ---- */

static const struct function *const batches[] = {&tokenizer_tokenize_many, &tokenizer_detokenize_many};

static void batch_rows_of(const struct function *batch)
{
    static const int32_t hostile[][ROWS + 1] = {
        {0, 16, 8, 48},      {0, 1000, 16, 48},    {0, 16, 32, 49},      {0, 16, 32, INT32_MAX}, {-16, 0, 16, 32},
        {0, 16, 32, -1},     {48, 32, 16, 0},      {INT32_MIN, 0, 16, 32}, {0, -1, 0, 48},
    };
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 4};
    static const int32_t good[] = {0, 16, 32, 48};
    struct call *c;

    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; ++i) {
        ROW(*batch, PANSEAL_E_ARGUMENT, c->at = (long)i + 1; c->column->width = 0; c->column->offsets = hostile[i]);
    }
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; ++i) {
        long at = (long)i + 1;
        ROW(*batch, PANSEAL_E_ARGUMENT, c->at = at; c->column->count = absurd[i]);
        ROW(*batch, PANSEAL_E_ARGUMENT, c->at = at; c->stride = absurd[i]);
    }
    ROW(*batch, PANSEAL_E_ARGUMENT, c->column->width = UINT32_MAX);
    ROW(*batch, PANSEAL_E_ARGUMENT, c->column->data_len -= 1);
    ROW(*batch, PANSEAL_E_ARGUMENT, c->status = (panseal_status *)(void *)((char *)block(c, 13) + 1));
    ROW(*batch, PANSEAL_E_ARGUMENT, c->counts = (uint32_t *)(void *)((char *)block(c, 13) + 1));
    ROW(*batch, PANSEAL_E_NULL, c->column = NULL);
    ROW(*batch, PANSEAL_E_NULL, c->column->data = NULL);
    ROW(*batch, PANSEAL_E_NULL, c->rows = NULL);
    ROW(*batch, PANSEAL_E_NULL, c->status = NULL);
    ROW(*batch, PANSEAL_OK, c->counts = NULL);
    ROW(*batch, PANSEAL_OK, c->err = NULL);
    ROW(*batch, PANSEAL_OK, c->column->width = 0; c->column->offsets = good);
    ROW(*batch, PANSEAL_E_BUFFER, c->stride = 0);
    ROW(*batch, PANSEAL_E_BUFFER, c->stride = 11);

    /* Exactly the room that the rows take. */
    c = begin(batch);
    c->rows = block(c, ROWS * 16);
    c->stride = 16;
    end(c, "rows as wide as what they hold", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_OK && c->to.status[ROWS - 1] == PANSEAL_OK && c->to.counts[ROWS - 1] == 16);
    c = begin(batch);
    c->stride = 15;
    end(c, "rows that are too narrow", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_E_BUFFER && c->to.counts[0] == 0 && c->to.rows[0] == 0);
    HOLDS((unsigned char)c->to.rows[15 * ROWS] == PATTERN);
    c = begin(batch);
    c->column->count = 0;
    end(c, "no rows", PANSEAL_OK);
    HOLDS((unsigned char)c->to.rows[0] == PATTERN);
}

static void batch_rows(void)
{
    static const char last4[4 * ROWS] = {'4', '2', '4', '2', 0, 0, 0, 0, '1', '1', '1', '1'};
    struct call *c;

    for (size_t i = 0; i < sizeof batches / sizeof *batches; ++i) {
        batch_rows_of(batches[i]);
    }
    c = begin(&tokenizer_detokenize_many);
    c->last4_in = last4;
    end(c, "digits that are expected", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_OK && c->to.status[1] == PANSEAL_OK && c->to.status[2] == PANSEAL_E_TOKEN);
    ROW(tokenizer_detokenize_many, PANSEAL_OK, c->networks_in = (const uint8_t *)filled(c, 0, ROWS).ptr);
    ROW(tokenizer_detokenize_many, PANSEAL_E_ARGUMENT, c->networks_in = (const uint8_t *)filled(c, '\xff', ROWS).ptr);

    /* Bytes that mean nothing. */
    for (int byte = 0; byte < 256; ++byte) {
        for (size_t i = 0; i < sizeof batches / sizeof *batches; ++i) {
            c = begin(batches[i]);
            c->at = byte;
            c->is_one_of_many = 1;
            c->column->data = filled(c, (char)byte, 16 * ROWS).ptr;
            end(c, "a column of one byte", PANSEAL_OK);
            /* Sixteen times the same digit may be a number, and a token of some number. */
            if (byte < '0' || byte > '9') {
                HOLDS(c->to.status[0] != PANSEAL_OK && c->to.counts[0] == 0);
            }
        }
    }
}

static void epoch_rows(void)
{
    struct call *c = begin(&tokenizer_status);
    end(c, "two epochs", PANSEAL_OK);
    HOLDS(c->to.count == 2 && c->to.generation == 2 && c->to.epochs[1].struct_size == sizeof(panseal_epoch));
    HOLDS(c->to.epochs[0].id == 1 && c->to.epochs[0].state == PANSEAL_EPOCH_DECRYPT_ONLY && c->to.epochs[0].slot == 1);
    HOLDS(c->to.epochs[1].id == 2 && c->to.epochs[1].state == PANSEAL_EPOCH_ACTIVE && c->to.epochs[1].retired_at == 0);
    HOLDS(strlen(c->to.epochs[1].check) == 10);
    c = begin(&tokenizer_status);
    c->epochs_cap = 1;
    end(c, "how much is enough", PANSEAL_E_BUFFER);
    HOLDS(c->to.count == 2);
}

void token_rows(void)
{
    GROWN(tokenizer_open, how, second_root, INPUT);
    STRUCT(tokenizer_open, err, ERROR);
    STRUCT(tokenizer_detokenize, expect, INPUT);
    STRUCT(tokenizer_tokenize, err, ERROR);
    STRUCT(tokenizer_detokenize, err, ERROR);
    STRUCT(tokenizer_retokenize, expect, INPUT);
    STRUCT(tokenizer_tokenize_many, column, INPUT);
    STRUCT(tokenizer_detokenize_many, column, INPUT);
    STRUCT(tokenizer_commitment, err, ERROR);
    STRUCT(tokenizer_refresh, err, ERROR);
    STRUCT(root_split, err, ERROR);
    open_rows();
    value_rows();
    batch_rows();
    epoch_rows();
    HOLDS(panseal_has_feature("ff1") == 1);
}

/* ---- handles ---- */

static const struct function *const with_handle[] = {
    &tokenizer_tokenize,   &tokenizer_detokenize, &tokenizer_tokenize_many, &tokenizer_detokenize_many,
    &tokenizer_candidates, &tokenizer_retokenize, &tokenizer_rotate,        &tokenizer_destroy,
    &tokenizer_free_slot,  &tokenizer_change_root, &tokenizer_status,       &tokenizer_commitment,
    &tokenizer_refresh,    &tokenizer_close};

static void refuse(const char *name, uintptr_t bits)
{
    for (size_t i = 0; i < sizeof with_handle / sizeof *with_handle; ++i) {
        struct call *c = begin(with_handle[i]);
        memcpy(&c->tokenizer, &bits, sizeof bits);
        end(c, name, bits == 0 && with_handle[i] == &tokenizer_close ? PANSEAL_OK : PANSEAL_E_HANDLE);
    }
}

void tokenizer_handle_rows(void)
{
    panseal_open_options how = good_tokenizer_options();
    panseal_tokenizer *closed;
    panseal_vault *vault;
    uintptr_t good, vaults;
    char name[64];

    memcpy(&good, &good_tokenizer, sizeof good);
    memcpy(&vaults, &good_vault, sizeof vaults);
    refuse("the tokenizer is NULL", 0);
    refuse("the tokenizer is 1", 1);
    refuse("the tokenizer is all ones", UINTPTR_MAX);
    refuse("the tokenizer is the address of a local", (uintptr_t)&good);
    refuse("the tokenizer is a vault", vaults);
    for (unsigned bit = 0; bit < 8 * sizeof good; ++bit) {
        snprintf(name, sizeof name, "bit %u of the tokenizer is flipped", bit);
        refuse(name, good ^ (uintptr_t)1 << bit);
    }
    HOLDS(panseal_tokenizer_open(&how, &closed, NULL) == PANSEAL_OK);
    HOLDS(panseal_tokenizer_close(closed) == PANSEAL_OK);
    memcpy(&good, &closed, sizeof good);
    refuse("the tokenizer is closed", good);

    memcpy(&vault, &good_tokenizer, sizeof vault);
    ROW(vault_lookup, PANSEAL_E_HANDLE, c->vault = vault /* a tokenizer */);
    ROW(vault_tokenize, PANSEAL_E_HANDLE, c->vault = vault);
    ROW(vault_close, PANSEAL_E_HANDLE, c->vault = vault);
}
