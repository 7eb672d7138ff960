/* Wrong calls: pointers, flags, texts, lengths, rooms, structs. */
#include "misuse.h"

static int is_text(const char *text)
{
    return text != NULL && strlen(text) > 0;
}

void library_rows(void)
{
    unsigned char bytes[8];
    static const int32_t odd[] = {INT32_MIN, -1, 10, 99, 307, 1000, INT32_MAX};

    HOLDS(panseal_abi() >= PANSEAL_ABI);
    HOLDS(is_text(panseal_version()));
    for (int32_t code = -1; code <= 1000; ++code) {
        if (!is_text(panseal_status_text(code))) {
            holds("a status text is never NULL or empty", 0);
        }
    }
    for (size_t i = 0; i < sizeof odd / sizeof *odd; ++i) {
        HOLDS(panseal_status_text(odd[i]) != NULL);
        HOLDS(panseal_param_name(odd[i]) != NULL);
        HOLDS(panseal_network_name(odd[i]) != NULL);
    }
    HOLDS(strcmp(panseal_param_name(PANSEAL_PARAM_NUMBER), "number") == 0);
    HOLDS(strcmp(panseal_status_text(PANSEAL_OK), panseal_status_text(PANSEAL_E_NULL)) != 0);
    HOLDS(panseal_status_text(PANSEAL_E_LUHN) == panseal_status_text(PANSEAL_E_LUHN));

    HOLDS(panseal_has_feature(NULL) == 0);
    HOLDS(panseal_has_feature("") == 0);
    HOLDS(panseal_has_feature("\xff") == 0);
    HOLDS(panseal_has_feature("time travel") == 0);

    memset(bytes, PATTERN, sizeof bytes);
    panseal_wipe(NULL, 0);
    panseal_wipe(NULL, SIZE_MAX);
    panseal_wipe(bytes + 1, 0);
    HOLDS(bytes[0] == PATTERN && bytes[1] == PATTERN);
    panseal_wipe(bytes + 1, 6);
    HOLDS(bytes[0] == PATTERN && bytes[1] == 0 && bytes[6] == 0 && bytes[7] == PATTERN);

    memset(bytes, PATTERN, sizeof bytes);
    panseal_struct_init(NULL, 8);
    for (size_t size = 0; size < sizeof(uint32_t); ++size) {
        panseal_struct_init(bytes, size);
    }
    HOLDS(bytes[0] == PATTERN && bytes[7] == PATTERN);
    panseal_struct_init(bytes + 1, 6);
    HOLDS(bytes[0] == PATTERN && bytes[5] == 0 && bytes[6] == 0 && bytes[7] == PATTERN);
}

void argument_rows(void)
{
    /* What must be there and is not. */
    ROW(card_check, PANSEAL_E_NULL, c->card = NULL);
    ROW(card_mask, PANSEAL_E_NULL, c->out = NULL);
    ROW(card_mask, PANSEAL_E_NULL, c->len = NULL);
    ROW(card_mask, PANSEAL_E_NULL, c->out = NULL; c->len = NULL);
    ROW(root_create, PANSEAL_E_NULL, c->literal = NULL);
    ROW(vault_open, PANSEAL_E_NULL, c->how = NULL);
    ROW(vault_open, PANSEAL_E_NULL, c->vault_out = NULL);
    ROW(vault_open, PANSEAL_E_NULL, c->how->url = NULL);
    ROW(vault_open, PANSEAL_E_NULL, c->how->root = NULL);
    ROW(vault_merchant, PANSEAL_E_NULL, c->vault_out = NULL);
    ROW(vault_tokenize, PANSEAL_E_NULL, c->card = NULL);
    ROW(vault_tokenize, PANSEAL_E_NULL, c->instrument = NULL);
    ROW(vault_tokenize, PANSEAL_E_NULL, c->card = NULL; c->instrument = NULL);
    ROW(vault_lookup, PANSEAL_E_NULL, c->text.ptr = NULL);
    ROW(vault_lookup, PANSEAL_E_NULL, c->text.len = 0);
    ROW(vault_lookup, PANSEAL_E_NULL, c->instrument = NULL);
    ROW(vault_detokenize, PANSEAL_E_NULL, c->text.ptr = NULL);
    ROW(vault_detokenize, PANSEAL_E_NULL, c->text.len = 0);
    ROW(vault_detokenize, PANSEAL_E_NULL, c->reason.ptr = NULL);
    ROW(vault_detokenize, PANSEAL_E_NULL, c->reason.len = 0);
    ROW(vault_detokenize, PANSEAL_E_NULL, c->out = NULL);
    ROW(vault_detokenize, PANSEAL_E_NULL, c->len = NULL);
    ROW(vault_deactivate, PANSEAL_E_NULL, c->text.ptr = NULL);
    ROW(vault_deactivate, PANSEAL_E_NULL, c->text.len = 0);

    /* What may be left out. */
    ROW(card_check, PANSEAL_OK, c->info = NULL);
    ROW(card_check, PANSEAL_OK, c->err = NULL);
    ROW(card_check, PANSEAL_OK, c->info = NULL; c->err = NULL);
    ROW(card_check, PANSEAL_OK, c->card->cvv.ptr = NULL; c->card->cvv.len = 3);
    ROW(card_check, PANSEAL_OK, c->card->name.ptr = NULL; c->card->name.len = 9);
    ROW(card_check, PANSEAL_OK, c->card->postal_code.ptr = NULL; c->card->postal_code.len = 5);
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_MISSING, c->card->number.ptr = NULL);
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_MISSING, c->card->number.len = 0);
    ROW(card_check, PANSEAL_E_CARD, c->card->number.len = 0; c->info = NULL; c->err = NULL);
    ROW(card_mask, PANSEAL_E_MISSING, c->text.ptr = NULL);
    ROW(card_mask, PANSEAL_E_MISSING, c->text.len = 0);
    ROW(root_create, PANSEAL_OK, c->err = NULL);
    ROW(vault_open, PANSEAL_OK, c->err = NULL);
    ROW(vault_merchant, PANSEAL_OK, c->literal = NULL);
    ROW(vault_merchant, PANSEAL_OK, c->err = NULL);
    ROW(vault_tokenize, PANSEAL_OK, c->options = NULL);
    ROW(vault_tokenize, PANSEAL_OK, c->err = NULL);
    ROW(vault_tokenize, PANSEAL_OK, c->options->customer.ptr = NULL; c->options->customer.len = 3);
    ROW(vault_lookup, PANSEAL_OK, c->err = NULL);
    ROW(vault_detokenize, PANSEAL_OK, c->err = NULL);
    ROW(vault_deactivate, PANSEAL_OK, c->err = NULL);
    ROW(vault_deactivate, PANSEAL_OK, c->at = 2 /* the second time */);

    /* Unknown flags and values. */
    for (int bit = 6; bit < 32; ++bit) {
        ROW(card_check, PANSEAL_E_ARGUMENT, c->at = bit; c->card->flags = (uint32_t)1 << bit);
        ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->at = bit; c->card->flags = (uint32_t)1 << bit);
    }
    for (int bit = 3; bit < 32; ++bit) {
        ROW(vault_open, PANSEAL_E_ARGUMENT, c->at = bit; c->how->flags = (uint32_t)1 << bit);
        ROW(card_mask, PANSEAL_E_ARGUMENT, c->at = bit; c->flags = (uint32_t)1 << bit);
    }
    ROW(card_mask, PANSEAL_E_ARGUMENT, c->flags = PANSEAL_MASK_FIRST8 | PANSEAL_MASK_LAST4);
    ROW(card_mask, PANSEAL_E_ARGUMENT, c->flags = PANSEAL_MASK_FIRST8 | PANSEAL_MASK_LAST4 | PANSEAL_MASK_GROUPED);
    ROW(card_mask, PANSEAL_OK, c->flags = PANSEAL_MASK_FIRST8 | PANSEAL_MASK_GROUPED);
    ROW(card_mask, PANSEAL_OK, c->flags = PANSEAL_MASK_LAST4 | PANSEAL_MASK_GROUPED);
    ROW(card_check, PANSEAL_OK, c->card->flags = PANSEAL_CARD_STRICT | PANSEAL_CARD_KNOWN_NETWORK
            | PANSEAL_CARD_STRICT_NETWORKS | PANSEAL_CARD_ANY_HORIZON);
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_NETWORK, c->card->flags = PANSEAL_CARD_KNOWN_NETWORK;
            c->card->number = given(c, "9999999999999995", 16));
    ROW(card_check, PANSEAL_E_ARGUMENT, c->card->horizon_years = 65536);
    ROW(card_check, PANSEAL_E_ARGUMENT, c->card->horizon_years = UINT32_MAX);
    ROW(card_check, PANSEAL_OK, c->card->horizon_years = 65535; c->card->expiry_month = 12;
        c->card->expiry_year = 2099; c->card->now = 1895000000);
    ROW(card_check, PANSEAL_E_ARGUMENT, c->card->grace_months = 256);
    ROW(card_check, PANSEAL_E_ARGUMENT, c->card->grace_months = UINT32_MAX);
    ROW(card_check, PANSEAL_OK, c->card->grace_months = 255; c->card->expiry_month = 12;
        c->card->expiry_year = 2010; c->card->now = 1895000000);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_EXPIRED, c->card->grace_months = 255;
            c->card->expiry_month = 1; c->card->expiry_year = 2030; c->card->now = INT64_MAX);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_TOO_FAR, c->card->horizon_years = 1;
            c->card->expiry_month = 1; c->card->expiry_year = 2032; c->card->now = 1895000000);
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->card->grace_months = 256);
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->flags = 4);
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->reserved = 1);
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->scheme = "");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->scheme = "RANDOM");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->url = "");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->url = "sqlite:");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->url = "cards.db");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->url = "abacus:cards.db");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->root = "");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->root = "file:");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->root = "cards.root");
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->root = "abacus:cards.root");
    ROW(root_create, PANSEAL_E_ARGUMENT, c->literal = "");
    ROW(root_create, PANSEAL_E_ARGUMENT, c->literal = "file:");
    ROW(root_create, PANSEAL_E_ARGUMENT, c->literal = "cards.root");
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->reuse = -1);
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->reuse = 3);
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->reuse = INT32_MAX);
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->scheme = "");
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->scheme = "abacus");

    /* Card data that no card has; the extremes of its integers. */
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_LENGTH, c->card->number.len = 11);
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_LENGTH, c->card->number = filled(c, '4', 20));
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_LENGTH, c->card->number = filled(c, '4', 60000));
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_MALFORMED, c->card->number = filled(c, '0', 16));
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_MISSING, c->card->number = filled(c, ' ', 60000));
    REFUSED(vault_tokenize, PANSEAL_PARAM_NUMBER, PANSEAL_E_LUHN, c->card->number = given(c, "4242424242424241", 16));
    REFUSED(vault_tokenize, PANSEAL_PARAM_NUMBER, PANSEAL_E_MISSING, c->card->number.ptr = NULL);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MALFORMED, c->card->expiry_month = INT32_MIN);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MALFORMED, c->card->expiry_month = INT32_MAX);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MALFORMED,
            c->card->expiry_month = 13; c->card->expiry_year = 2030);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MALFORMED,
            c->card->expiry_month = 1; c->card->expiry_year = INT32_MIN);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MALFORMED,
            c->card->expiry_month = 1; c->card->expiry_year = INT32_MAX);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MALFORMED, c->card->expiry_year = 2030);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_EXPIRED,
            c->card->expiry_month = 1; c->card->expiry_year = 2030; c->card->now = INT64_MAX);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_TOO_FAR,
            c->card->expiry_month = 1; c->card->expiry_year = 2030; c->card->now = INT64_MIN);
    REFUSED(card_check, PANSEAL_PARAM_EXPIRY, PANSEAL_E_MISSING, c->card->flags = PANSEAL_CARD_NEED_EXPIRY);
    REFUSED(card_check, PANSEAL_PARAM_CVV, PANSEAL_E_MISSING, c->card->flags = PANSEAL_CARD_NEED_CVV);
    ROW(card_mask, PANSEAL_E_LENGTH, c->text.len = 11);
    ROW(card_mask, PANSEAL_E_LENGTH, c->text = filled(c, '4', 20));

    /* A root key is never written over. */
    ROW(root_create, PANSEAL_E_ROOT_KEY, c->literal = root_of("cards.root"));
}

void text_rows(void)
{
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 4};

    /* Lengths that cannot be meant: refused before a byte is read. */
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; ++i) {
        long at = (long)i + 1;
        ROW(card_check, PANSEAL_E_ARGUMENT, c->at = at; c->card->number.len = absurd[i]);
        ROW(card_check, PANSEAL_E_ARGUMENT, c->at = at;
            c->card->cvv = given(c, "123", 3); c->card->cvv.len = absurd[i]);
        ROW(card_check, PANSEAL_E_ARGUMENT, c->at = at;
            c->card->name = given(c, "A B", 3); c->card->name.len = absurd[i]);
        ROW(card_check, PANSEAL_E_ARGUMENT, c->at = at;
            c->card->postal_code = given(c, "12345", 5); c->card->postal_code.len = absurd[i]);
        ROW(card_mask, PANSEAL_E_ARGUMENT, c->at = at; c->text.len = absurd[i]);
        ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->at = at; c->card->number.len = absurd[i]);
        ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->at = at;
            c->options->customer = given(c, "c", 1); c->options->customer.len = absurd[i]);
        ROW(vault_lookup, PANSEAL_E_TOKEN, c->at = at; c->text.len = absurd[i]);
        ROW(vault_detokenize, PANSEAL_E_TOKEN, c->at = at; c->text.len = absurd[i]);
        ROW(vault_detokenize, PANSEAL_E_ARGUMENT, c->at = at; c->reason.len = absurd[i]);
        ROW(vault_deactivate, PANSEAL_E_TOKEN, c->at = at; c->text.len = absurd[i]);
        /* A room that is larger than memory is only a large room. */
        ROW(card_mask, PANSEAL_OK, c->at = at; c->cap = absurd[i]);
        ROW(vault_detokenize, PANSEAL_OK, c->at = at; c->cap = absurd[i]);
    }

    /* Not UTF-8. */
    ROW(root_create, PANSEAL_E_UTF8, c->literal = "file:\xff");
    ROW(vault_open, PANSEAL_E_UTF8, c->how->url = "sqlite:\xc0\x80");
    ROW(vault_open, PANSEAL_E_UTF8, c->how->root = "file:\xed\xa0\x80");
    ROW(vault_open, PANSEAL_E_UTF8, c->how->merchant = "\x80");
    ROW(vault_open, PANSEAL_E_UTF8, c->how->scheme = "random\xc3");
    ROW(vault_open, PANSEAL_E_UTF8, c->how->actor = "\xf5\x80\x80\x80");
    ROW(vault_merchant, PANSEAL_E_UTF8, c->literal = "m\xff");
    ROW(vault_tokenize, PANSEAL_E_UTF8, c->options->scheme = "\xff");
    ROW(vault_tokenize, PANSEAL_E_UTF8, c->options->customer = given(c, "c\xff", 2));
    ROW(vault_tokenize, PANSEAL_E_UTF8, c->options->customer = given(c, "\xe2\x82", 2) /* cut in two */);
    ROW(vault_detokenize, PANSEAL_E_UTF8, c->reason = given(c, "\xff\xfe", 2));
    ROW(vault_lookup, PANSEAL_E_TOKEN, c->text = given(c, "\xff\xff", 2));
    ROW(vault_detokenize, PANSEAL_E_TOKEN, c->text = given(c, "\xff\xff", 2));
    ROW(vault_deactivate, PANSEAL_E_TOKEN, c->text = given(c, "\xff\xff", 2));
    ROW(card_mask, PANSEAL_E_CHARSET, c->text = filled(c, '\xff', 16));
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_CHARSET, c->card->number = filled(c, '\xff', 16));
    REFUSED(card_check, PANSEAL_PARAM_CVV, PANSEAL_E_CHARSET, c->card->cvv = filled(c, '\xff', 3));
    REFUSED(card_check, PANSEAL_PARAM_NAME, PANSEAL_E_CHARSET, c->card->name = given(c, "ADA \xff", 5));
    REFUSED(card_check, PANSEAL_PARAM_POSTAL_CODE, PANSEAL_E_MALFORMED, c->card->postal_code = filled(c, '\xff', 5));

    /* A NUL within. */
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->customer = given(c, "c\0d", 3));
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->customer = given(c, "c\0", 2));
    ROW(vault_detokenize, PANSEAL_E_ARGUMENT, c->reason = given(c, "why\0not", 7));
    ROW(vault_lookup, PANSEAL_E_TOKEN, c->text = filled(c, 0, 48));
    ROW(vault_detokenize, PANSEAL_E_TOKEN, c->text = filled(c, 0, 48));
    ROW(vault_deactivate, PANSEAL_E_TOKEN, c->text = filled(c, 0, 48));
    ROW(card_mask, PANSEAL_E_CHARSET, c->text = given(c, "424242424242424\0", 16));
    REFUSED(card_check, PANSEAL_PARAM_NUMBER, PANSEAL_E_CHARSET, c->card->number = given(c, NUMBER "\0", 17));
    REFUSED(card_check, PANSEAL_PARAM_CVV, PANSEAL_E_CHARSET, c->card->cvv = given(c, "12\0", 3));
    REFUSED(card_check, PANSEAL_PARAM_NAME, PANSEAL_E_CHARSET, c->card->name = given(c, "ADA\0BYRON", 9));
    REFUSED(card_check, PANSEAL_PARAM_POSTAL_CODE, PANSEAL_E_MALFORMED, c->card->postal_code = given(c, "1234\0", 5));

    /* As long as may be, and one longer. */
    ROW(vault_open, PANSEAL_OK, c->how->merchant = literal(c, 'm', PANSEAL_ID_MAX));
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->merchant = literal(c, 'm', PANSEAL_ID_MAX + 1));
    ROW(vault_open, PANSEAL_OK, c->how->actor = literal(c, 'a', PANSEAL_ID_MAX));
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->actor = literal(c, 'a', PANSEAL_ID_MAX + 1));
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->merchant = literal(c, 'm', 1 << 20));
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->url = literal(c, 'u', 1 << 20));
    ROW(vault_open, PANSEAL_E_ARGUMENT, c->how->root = literal(c, 'r', 1 << 20));
    ROW(vault_merchant, PANSEAL_OK, c->literal = literal(c, 'm', PANSEAL_ID_MAX));
    ROW(vault_merchant, PANSEAL_E_ARGUMENT, c->literal = literal(c, 'm', PANSEAL_ID_MAX + 1));
    ROW(vault_tokenize, PANSEAL_OK, c->options->customer = filled(c, 'c', PANSEAL_ID_MAX));
    ROW(vault_tokenize, PANSEAL_E_ARGUMENT, c->options->customer = filled(c, 'c', PANSEAL_ID_MAX + 1));
    ROW(vault_detokenize, PANSEAL_OK, c->reason = filled(c, 'r', PANSEAL_REASON_MAX));
    ROW(vault_detokenize, PANSEAL_E_ARGUMENT, c->reason = filled(c, 'r', PANSEAL_REASON_MAX + 1));
    ROW(vault_lookup, PANSEAL_E_TOKEN, c->text = filled(c, 't', PANSEAL_TOKEN_MAX));
    ROW(vault_lookup, PANSEAL_E_TOKEN, c->text = filled(c, 't', PANSEAL_TOKEN_MAX + 1));
    ROW(vault_lookup, PANSEAL_E_TOKEN, c->text.len -= 1);
    ROW(vault_detokenize, PANSEAL_E_TOKEN, c->text = filled(c, 't', PANSEAL_TOKEN_MAX + 1));
    ROW(vault_detokenize, PANSEAL_E_TOKEN, c->text.len -= 1);
    ROW(vault_deactivate, PANSEAL_E_TOKEN, c->text = filled(c, 't', PANSEAL_TOKEN_MAX + 1));
    ROW(card_check, PANSEAL_OK, c->card->name = filled(c, 'A', 26));
    REFUSED(card_check, PANSEAL_PARAM_NAME, PANSEAL_E_TOO_LONG, c->card->name = filled(c, 'A', 27));
    REFUSED(card_check, PANSEAL_PARAM_CVV, PANSEAL_E_LENGTH, c->card->cvv = filled(c, '1', 5));
    REFUSED(card_check, PANSEAL_PARAM_POSTAL_CODE, PANSEAL_E_MALFORMED, c->card->postal_code = filled(c, '1', 11));
}

void buffer_rows(void)
{
    char seen[sizeof NUMBER];
    struct call *c;

    /* Too little room: found before anything happens, and *len says how much is enough. */
    for (size_t cap = 0; cap < sizeof NUMBER - 1; ++cap) {
        ROW(card_mask, PANSEAL_E_BUFFER, c->at = (long)cap; c->cap = cap);
    }
    /* The room for any number is asked for whatever this one's length, and before the token is looked at. */
    for (size_t cap = 0; cap < PANSEAL_PAN_MAX; ++cap) {
        ROW(vault_detokenize, PANSEAL_E_BUFFER, c->at = (long)cap; c->cap = cap);
    }
    c = begin(&card_mask);
    c->cap = 3;
    end(c, "how much is enough", PANSEAL_E_BUFFER);
    HOLDS(c->to.len >= sizeof NUMBER - 1 && c->to.len <= PANSEAL_MASK_MAX);
    c = begin(&vault_detokenize);
    c->cap = 3;
    end(c, "how much is enough", PANSEAL_E_BUFFER);
    HOLDS(c->to.len == PANSEAL_PAN_MAX);

    /* Asking with no room at all, and no pointer to it. */
    ROW(card_mask, PANSEAL_E_BUFFER, c->out = NULL; c->cap = 0);
    ROW(vault_detokenize, PANSEAL_E_BUFFER, c->out = NULL; c->cap = 0);

    /* Exactly enough: no NUL. One more: a NUL. */
    c = begin(&card_mask);
    c->cap = 16;
    end(c, "sixteen bytes are enough", PANSEAL_OK);
    HOLDS(c->to.len == 16 && memcmp(c->to.text, "424242******4242", 16) == 0);
    HOLDS((unsigned char)c->to.text[16] == PATTERN);
    c = begin(&card_mask);
    c->cap = 17;
    end(c, "seventeen bytes have room for a NUL", PANSEAL_OK);
    HOLDS(c->to.text[16] == 0 && (unsigned char)c->to.text[17] == PATTERN);
    c = begin(&vault_detokenize);
    c->cap = PANSEAL_PAN_MAX;
    end(c, "the room for any number is enough", PANSEAL_OK);
    HOLDS(c->to.len == 16 && memcmp(c->to.text, NUMBER, 16) == 0);
    HOLDS(c->to.text[16] == 0 && (unsigned char)c->to.text[17] == PATTERN);

    /* Outputs that lie over inputs: input is read whole before output is written. */
    c = begin(&card_mask);
    c->text.ptr = memcpy(c->to.text, NUMBER, 16);
    end(c, "the mask goes where the number was", PANSEAL_OK);
    HOLDS(memcmp(c->to.text, "424242******4242", 16) == 0);
    c = begin(&card_mask);
    c->text.ptr = memcpy(c->to.text + 5, NUMBER, 16);
    end(c, "the mask goes before the number", PANSEAL_OK);
    HOLDS(memcmp(c->to.text, "424242******4242", 16) == 0);
    c = begin(&vault_detokenize);
    c->text.ptr = memcpy(c->to.text, known.token, c->text.len);
    end(c, "the number goes where the token was", PANSEAL_OK);
    HOLDS(memcmp(c->to.text, NUMBER, 16) == 0);
    c = begin(&vault_detokenize);
    c->reason.ptr = memcpy(c->to.text + 3, "a row", 5);
    end(c, "the number goes where the reason was", PANSEAL_OK);
    HOLDS(memcmp(c->to.text, NUMBER, 16) == 0);
    c = begin(&card_check);
    c->card->number.ptr = memcpy(c->to.info.masked + 3, NUMBER, 16);
    end(c, "the info goes where the number was", PANSEAL_OK);
    HOLDS(strcmp(c->to.info.masked, "424242******4242") == 0 && strcmp(c->to.info.last4, "4242") == 0);
    c = begin(&vault_tokenize);
    c->card->number.ptr = memcpy(c->to.instrument.token, NUMBER, 16);
    c->options->customer.ptr = memcpy(c->to.instrument.masked, "c-1", 3);
    c->options->customer.len = 3;
    end(c, "the instrument goes where the number and the customer were", PANSEAL_OK);
    HOLDS(strcmp(c->to.instrument.customer, "c-1") == 0 && strcmp(c->to.instrument.last4, "4242") == 0);
    c = begin(&vault_lookup);
    c->text.ptr = memcpy(c->to.instrument.network, known.token, c->text.len);
    end(c, "the instrument goes where the token was", PANSEAL_OK);
    HOLDS(strcmp(c->to.instrument.token, known.token) == 0);
    c = begin(&vault_lookup);
    c->text.ptr = memcpy(c->to.err.violations, known.token, c->text.len);
    end(c, "the error goes where the token was", PANSEAL_OK);

    /* What a refusal must not do. */
    c = begin(&vault_detokenize);
    memcpy(seen, "before the call", sizeof seen - 1);
    memcpy(c->to.text, seen, sizeof seen - 1);
    c->text = given(c, "unknown", 7);
    end(c, "an unknown token leaves the buffer alone", PANSEAL_E_TOKEN);
    HOLDS(memcmp(c->to.text, seen, sizeof seen - 1) == 0);
}

/* ---- structs ---- */

/* Lets an argument point to other memory. */
static void point(struct call *c, size_t argument, void *memory)
{
    memcpy((char *)c + argument, &memory, sizeof memory);
}

/* A copy of a struct with `tail` more bytes, at an odd address if asked, in a block that ends where it ends. */
static unsigned char *copy_of(struct call *c, size_t argument, size_t size, size_t tail, size_t shift)
{
    void *original;
    unsigned char *copy = (unsigned char *)block(c, shift + size + tail) + shift;
    uint32_t struct_size = (uint32_t)(size + tail);
    memcpy(&original, (char *)c + argument, sizeof original);
    memcpy(copy, original, size);
    memset(copy + size, 0, tail);
    memcpy(copy, &struct_size, sizeof struct_size);
    point(c, argument, copy);
    return copy;
}

void rows_of_struct(const struct function *function, const char *name, size_t argument, size_t size, size_t first,
                    enum kind kind)
{
    const uint32_t wrong[] = {0, 1, 3, 4, (uint32_t)first / 2, (uint32_t)first - 1, 1u << 16, 1u << 31, UINT32_MAX};
    unsigned char before[1024];
    char row[128];
    unsigned char *copy;
    struct call *c;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        c = begin(function);
        c->err_is_wrong = kind == ERROR;
        copy = copy_of(c, argument, size, 0, 0);
        memcpy(copy, &wrong[i], sizeof wrong[i]);
        memcpy(before, copy, size);
        snprintf(row, sizeof row, "%s->struct_size = %lu", name, (unsigned long)wrong[i]);
        end(c, row, PANSEAL_E_STRUCT);
        holds(row, memcmp(before, copy, size) == 0);
    }
    if (first < size) {
        const uint32_t old = (uint32_t)first;
        c = begin(function);
        copy = copy_of(c, argument, first, 0, 0);
        memcpy(copy, &old, sizeof old);
        snprintf(row, sizeof row, "%s of an older program", name);
        end(c, row, PANSEAL_OK);
    }
    for (size_t tail = 1; tail <= 16; tail += 15) {
        c = begin(function);
        copy = copy_of(c, argument, size, tail, 0);
        memcpy(before, copy, size);
        snprintf(row, sizeof row, "%s has %zu zero bytes more", name, tail);
        end(c, row, PANSEAL_OK);
        holds(row, (memcmp(before, copy, size) == 0) == (kind == INPUT));

        c = begin(function);
        copy = copy_of(c, argument, size, tail, 0);
        copy[size + tail - 1] = PATTERN;
        snprintf(row, sizeof row, "%s has %zu bytes more, and the last is not zero", name, tail);
        end(c, row, kind == INPUT ? PANSEAL_E_STRUCT : PANSEAL_OK);
        holds(row, copy[size + tail - 1] == PATTERN);
    }
    for (size_t shift = 1; shift <= 3; ++shift) {
        c = begin(function);
        copy = copy_of(c, argument, size, 0, shift);
        memcpy(before, copy, size);
        snprintf(row, sizeof row, "%s lies %zu bytes off", name, shift);
        end(c, row, PANSEAL_OK);
        holds(row, (memcmp(before, copy, size) == 0) == (kind == INPUT));
    }
}

void struct_rows(void)
{
    STRUCT(card_check, card, INPUT);
    STRUCT(card_check, info, OUTPUT);
    STRUCT(card_check, err, ERROR);
    GROWN(vault_open, how, second_root, INPUT);
    STRUCT(vault_open, err, ERROR);
    STRUCT(vault_merchant, err, ERROR);
    STRUCT(vault_tokenize, card, INPUT);
    STRUCT(vault_tokenize, options, INPUT);
    GROWN(vault_tokenize, instrument, damaged, OUTPUT);
    STRUCT(vault_tokenize, err, ERROR);
    GROWN(vault_lookup, instrument, damaged, OUTPUT);
    STRUCT(vault_lookup, err, ERROR);
    STRUCT(vault_detokenize, err, ERROR);
    STRUCT(vault_deactivate, err, ERROR);
    STRUCT(root_create, err, ERROR);

    /* Places for single values may lie anywhere, too. */
    ROW(card_mask, PANSEAL_OK, c->len = (size_t *)(void *)((char *)block(c, sizeof(size_t) + 1) + 1));
    ROW(vault_detokenize, PANSEAL_OK, c->len = (size_t *)(void *)((char *)block(c, sizeof(size_t) + 1) + 1));
    ROW(vault_open, PANSEAL_OK,
        c->vault_out = (panseal_vault **)(void *)((char *)block(c, sizeof(void *) + 1) + 1));
    ROW(vault_merchant, PANSEAL_OK,
        c->vault_out = (panseal_vault **)(void *)((char *)block(c, sizeof(void *) + 1) + 1));
}
