/* Wrong calls of the functions that read and write one format each: expiries, names, tracks, chips, messages, columns,
 * and texts to be scanned. */
#include "misuse.h"

/* ---- texts out ---- */

/* A function that writes a text: how much room is enough for what it is given at first, how much it writes there, and
 * what it answers where its input is absent (PANSEAL_OK: it has none, or not there). */
struct writer {
    const struct function *function;
    size_t enough, written;
    panseal_status absent;
};

static const struct writer writers[] = {
    {&card_group, 19, 19, PANSEAL_E_MISSING},
    {&card_truncate, 16, 16, PANSEAL_E_MISSING},
    {&expiry_text, 4, 4, PANSEAL_OK},
    {&holder_text, 9, 9, PANSEAL_E_MALFORMED /* not one letter */},
    {&holder_write, 9, 9, PANSEAL_OK},
    {&bcd_unpack, 30, 29, PANSEAL_E_MISSING},
    {&chip_read, PANSEAL_CHIP_ROOM, 29, PANSEAL_OK},
    {&chip_record, PANSEAL_CHIP_ROOM, 29, PANSEAL_E_MISSING},
    {&iso8583_number, PANSEAL_PAN_MAX, 16, PANSEAL_E_MISSING},
    {&iso8583_track2, 37, 34, PANSEAL_E_MISSING},
    {&tokenizer_tokenize, 16, 16, PANSEAL_E_MISSING},
    {&tokenizer_detokenize, 16, 16, PANSEAL_E_NULL},
    {&tokenizer_retokenize, 16, 16, PANSEAL_E_NULL},
    {&tokenizer_candidates, 32, 32, PANSEAL_E_MISSING},
    {&chip_service_code, 3, 3, PANSEAL_E_MALFORMED},
};

static void rows_of_writer(const struct writer *w)
{
    char expected[160];
    struct call *c;

    ROW(*w->function, PANSEAL_E_NULL, c->out = NULL);
    ROW(*w->function, PANSEAL_E_NULL, c->len = NULL);
    ROW(*w->function, PANSEAL_E_NULL, c->out = NULL; c->len = NULL);
    ROW(*w->function, PANSEAL_E_NULL, c->len = NULL; c->text = filled(c, '!', 40); c->parts->surname = c->text);
    for (size_t cap = 0; cap < w->enough; ++cap) {
        c = begin(w->function);
        c->at = (long)cap;
        c->cap = cap;
        c->out = cap == 0 ? NULL : c->out;
        end(c, "too little room", PANSEAL_E_BUFFER);
        HOLDS(c->to.len == w->enough);
    }

    /* Exactly enough, in a block of its own; then with room for a NUL. */
    c = begin(w->function);
    c->cap = w->enough;
    c->out = memset(block(c, w->enough), PATTERN, w->enough);
    end(c, "exactly enough", PANSEAL_OK);
    HOLDS(c->to.len == w->written);
    HOLDS(w->written == w->enough || c->out[w->written] == 0);
    memcpy(expected, c->out, w->written);
    c = begin(w->function);
    c->cap = w->enough + 1;
    end(c, "room for a NUL", PANSEAL_OK);
    HOLDS(memcmp(c->to.text, expected, w->written) == 0 && c->to.text[w->written] == 0);
    HOLDS((unsigned char)c->to.text[w->written + 1] == PATTERN);
    HOLDS((unsigned char)c->to.text[sizeof c->to.text - 1] == PATTERN);
    ROW(*w->function, PANSEAL_OK, c->cap = SIZE_MAX);
    ROW(*w->function, PANSEAL_OK, c->cap = SIZE_MAX / 2 + 1);
    ROW(*w->function, PANSEAL_OK, c->len = (size_t *)(void *)((char *)block(c, sizeof(size_t) + 1) + 1));

    /* The text goes where the input was, before it and into it. */
    for (size_t at = 0; at < 40; at += 3) {
        c = begin(w->function);
        if (c->text.len + at <= sizeof c->to.text && w->function != &expiry_text && w->function != &holder_write) {
            c->at = (long)at;
            c->text.ptr = memcpy(c->to.text + at, c->text.ptr, c->text.len);
            end(c, "the text goes where the input was", PANSEAL_OK);
            HOLDS(c->to.len == w->written && memcmp(c->to.text, expected, w->written) == 0);
        }
    }

    if (w->absent != PANSEAL_OK) {
        ROW(*w->function, w->absent, c->text.ptr = NULL);
        ROW(*w->function, w->absent, c->text.len = 0);
    }
}

/* ---- texts in ---- */

static const struct function *const readers[] = {
    &card_group,  &card_truncate, &expiry_parse, &holder_parse, &holder_text,    &card_network,   &card_partial,  &track_parse,
    &bcd_unpack,  &chip_read,     &chip_record,  &tlv_find,     &iso8583_number, &iso8583_expiry, &iso8583_track2};

static void length_rows(void)
{
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 4, 65537};
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; ++i) {
        long at = (long)i + 1;
        for (size_t k = 0; k < sizeof readers / sizeof *readers; ++k) {
            ROW(*readers[k], PANSEAL_E_ARGUMENT, c->at = at; c->text.len = absurd[i]);
            ROW(*readers[k], PANSEAL_E_ARGUMENT, c->at = at; c->text.ptr = NULL; c->text.len = absurd[i]);
        }
        ROW(card_network, PANSEAL_E_ARGUMENT, c->at = at; c->second.len = absurd[i]);
        ROW(chip_read, PANSEAL_E_ARGUMENT, c->at = at; c->second.len = absurd[i]);
        ROW(chip_read, PANSEAL_E_ARGUMENT, c->at = at; c->third.len = absurd[i]);
        ROW(holder_write, PANSEAL_E_ARGUMENT, c->at = at; c->parts->surname.len = absurd[i]);
        ROW(holder_write, PANSEAL_E_ARGUMENT, c->at = at; c->parts->first.len = absurd[i]);
        ROW(holder_write, PANSEAL_E_ARGUMENT, c->at = at; c->parts->middle = c->parts->first;
            c->parts->middle.len = absurd[i]);
        ROW(holder_write, PANSEAL_E_ARGUMENT, c->at = at; c->parts->title = c->parts->first;
            c->parts->title.len = absurd[i]);
        HOLDS(panseal_aid_network((const uint8_t *)"\xa0", absurd[i]) == 0);
        if (absurd[i] > SIZE_MAX / 2) {
            ROW(scan_text, PANSEAL_E_ARGUMENT, c->at = at; c->text.len = absurd[i]);
        }
    }
    /* As long as may be. */
    for (size_t k = 0; k < sizeof readers / sizeof *readers; ++k) {
        struct call *c = begin(readers[k]);
        c->text = filled(c, '7', 65536);
        end(c, "65536 bytes", readers[k] == &bcd_unpack ? PANSEAL_E_ARGUMENT
                              : readers[k] == &card_partial ? PANSEAL_OK : ANY_JUDGEMENT);
    }
    ROW(scan_text, PANSEAL_OK, c->text = filled(c, '4', 1 << 20));
    ROW(bcd_unpack, PANSEAL_OK, c->text = filled(c, 0x12, 64));
    ROW(bcd_unpack, PANSEAL_E_ARGUMENT, c->text = filled(c, 0x12, 65));
    HOLDS(panseal_aid_network(NULL, 0) == 0);
    HOLDS(panseal_aid_network(NULL, 7) == 0);
    HOLDS(panseal_aid_network((const uint8_t *)"", 0) == 0);
}

static void null_rows(void)
{
    ROW(holder_parse, PANSEAL_E_NULL, c->holder = NULL);
    ROW(holder_parse, PANSEAL_E_NULL, c->holder = NULL; c->text = filled(c, '!', 80));
    ROW(holder_write, PANSEAL_E_NULL, c->parts = NULL);
    ROW(holder_write, PANSEAL_E_MISSING, c->parts->surname.ptr = NULL);
    ROW(holder_write, PANSEAL_E_MISSING, c->parts->surname.len = 0);
    ROW(holder_write, PANSEAL_OK, c->parts->first.ptr = NULL);
    ROW(holder_write, PANSEAL_OK, c->parts->title.len = 5 /* of nothing */);
    ROW(expiry_parse, PANSEAL_E_NULL, c->month = NULL);
    ROW(expiry_parse, PANSEAL_E_NULL, c->year = NULL);
    ROW(expiry_parse, PANSEAL_E_NULL, c->month = NULL; c->text = filled(c, 'x', 5));
    ROW(expiry_parse, PANSEAL_E_NULL, c->year = NULL; c->form = 99);
    ROW(expiry_parse, PANSEAL_E_MALFORMED, c->text.ptr = NULL);
    ROW(expiry_parse, PANSEAL_E_MALFORMED, c->text.len = 0);
    ROW(iso8583_expiry, PANSEAL_E_NULL, c->month = NULL);
    ROW(iso8583_expiry, PANSEAL_E_NULL, c->year = NULL);
    ROW(iso8583_expiry, PANSEAL_E_NULL, c->month = NULL; c->text = filled(c, 'x', 4));
    ROW(iso8583_expiry, PANSEAL_E_MISSING, c->text.ptr = NULL);
    ROW(card_network, PANSEAL_E_NULL, c->network = NULL);
    ROW(card_network, PANSEAL_E_NULL, c->network = NULL; c->text.len = 1);
    ROW(card_network, PANSEAL_E_MISSING, c->text.ptr = NULL);
    ROW(card_network, PANSEAL_OK, c->second.ptr = NULL);
    ROW(card_network, PANSEAL_OK, c->second.len = 0);
    ROW(card_partial, PANSEAL_E_NULL, c->partial = NULL);
    ROW(card_partial, PANSEAL_OK, c->text.ptr = NULL);
    ROW(card_partial, PANSEAL_OK, c->text.len = 0);
    ROW(track_parse, PANSEAL_E_NULL, c->track = NULL);
    ROW(track_parse, PANSEAL_E_NULL, c->track = NULL; c->text = filled(c, '!', 40));
    ROW(track_parse, PANSEAL_E_MISSING, c->text.ptr = NULL);
    ROW(chip_read, PANSEAL_E_NULL, c->track = NULL);
    ROW(chip_read, PANSEAL_OK, c->text.ptr = NULL);
    ROW(chip_read, PANSEAL_OK, c->second.ptr = NULL);
    ROW(chip_read, PANSEAL_OK, c->third.ptr = NULL);
    ROW(chip_read, PANSEAL_E_MISSING, c->text.ptr = NULL; c->second.len = 0);
    ROW(chip_record, PANSEAL_E_NULL, c->track = NULL);
    ROW(tlv_find, PANSEAL_E_NULL, c->span = NULL);
    ROW(tlv_find, PANSEAL_E_NULL, c->span = NULL; c->text = filled(c, '\xff', 9));
    ROW(tlv_find, PANSEAL_E_MISSING, c->text.ptr = NULL);
    ROW(iso8583_number, PANSEAL_OK, c->end = NULL);
    ROW(iso8583_track2, PANSEAL_E_NULL, c->track = NULL);
    ROW(scan_text, PANSEAL_E_NULL, c->text.ptr = NULL);
    ROW(scan_text, PANSEAL_E_NULL, c->hits = NULL);
    ROW(scan_text, PANSEAL_E_NULL, c->len = NULL);
    ROW(scan_text, PANSEAL_OK, c->end = NULL);
    ROW(scan_text, PANSEAL_OK, c->text.ptr = NULL; c->text.len = 0);
    ROW(scan_text, PANSEAL_OK, c->hits = NULL; c->hits_cap = 0);
    ROW(chip_sequence, PANSEAL_E_NULL, c->month = NULL);
    ROW(chip_sequence, PANSEAL_E_MALFORMED, c->text.ptr = NULL);
    ROW(holds_number, PANSEAL_E_NULL, c->month = NULL);
    ROW(holds_number, PANSEAL_E_NULL, c->text.ptr = NULL);
    ROW(holds_number, PANSEAL_OK, c->text.ptr = NULL; c->text.len = 0);
    ROW(holds_number, PANSEAL_E_ARGUMENT, c->text.len = SIZE_MAX / 2 + 1);
    ROW(holds_number, PANSEAL_OK, c->err = NULL);
    ROW(scanner_feed, PANSEAL_E_NULL, c->text.ptr = NULL);
    ROW(scanner_feed, PANSEAL_E_NULL, c->hits = NULL);
    ROW(scanner_feed, PANSEAL_E_NULL, c->len = NULL);
    ROW(scanner_feed, PANSEAL_E_NULL, c->end = NULL);
    ROW(scanner_feed, PANSEAL_E_ARGUMENT, c->hits_cap = PANSEAL_SCANNER_HITS - 1);
    ROW(scanner_feed, PANSEAL_E_ARGUMENT, c->hits_cap = 0);
    ROW(scanner_feed, PANSEAL_E_ARGUMENT, c->text.len = SIZE_MAX / 2 + 1);
    ROW(scanner_feed, PANSEAL_OK, c->hits_cap = SIZE_MAX);
    ROW(scanner_feed, PANSEAL_OK, c->text.ptr = NULL; c->text.len = 0);
    ROW(scanner_feed, PANSEAL_OK, c->err = NULL);
    ROW(scanner_finish, PANSEAL_OK, c->err = NULL);
    ROW(scanner_finish, PANSEAL_E_NULL, c->hits = NULL);
    ROW(scanner_finish, PANSEAL_E_NULL, c->len = NULL);
    ROW(scanner_finish, PANSEAL_E_ARGUMENT, c->hits_cap = PANSEAL_SCANNER_HITS - 1);
    HOLDS(panseal_scanner_open(NULL, NULL) == PANSEAL_E_NULL);
    HOLDS(panseal_scanner_close(NULL) == PANSEAL_OK);

    for (size_t k = 0; k < sizeof readers / sizeof *readers; ++k) {
        ROW(*readers[k], PANSEAL_OK, c->err = NULL);
    }
    ROW(scan_text, PANSEAL_OK, c->err = NULL);
    ROW(check_many, PANSEAL_OK, c->err = NULL);
    ROW(holder_write, PANSEAL_OK, c->err = NULL);
}

static void value_rows(void)
{
    static const int32_t forms[] = {-1, 5, 255, 256, INT32_MIN, INT32_MAX};
    static const uint32_t counts[] = {17, 254, 255, 256, 262, UINT32_MAX, 1u << 31};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; ++i) {
        long at = (long)i + 1;
        ROW(expiry_parse, PANSEAL_E_ARGUMENT, c->at = at; c->form = forms[i]);
        ROW(expiry_text, PANSEAL_E_ARGUMENT, c->at = at; c->form = forms[i]);
        ROW(iso8583_number, PANSEAL_E_ARGUMENT, c->at = at; c->form = forms[i]);
        ROW(iso8583_expiry, PANSEAL_E_ARGUMENT, c->at = at; c->form = forms[i]);
        ROW(iso8583_track2, PANSEAL_E_ARGUMENT, c->at = at; c->form = forms[i]);
    }
    ROW(iso8583_number, PANSEAL_E_ARGUMENT, c->form = 2);
    ROW(iso8583_expiry, PANSEAL_E_ARGUMENT, c->form = 2);
    ROW(iso8583_track2, PANSEAL_E_ARGUMENT, c->form = 2);
    ROW(expiry_parse, PANSEAL_E_ARGUMENT, c->form = PANSEAL_EXPIRY_MMYYYY);
    ROW(expiry_text, PANSEAL_E_ARGUMENT, c->form = PANSEAL_EXPIRY_ANY);
    ROW(expiry_text, PANSEAL_E_ARGUMENT, c->form = PANSEAL_EXPIRY_YYMMDD);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->month_in = 0);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->month_in = 13);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->month_in = INT32_MIN);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->month_in = INT32_MAX);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->year_in = -1);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->year_in = 1999);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->year_in = 2100);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->year_in = INT32_MIN);
    ROW(expiry_text, PANSEAL_E_MALFORMED, c->year_in = INT32_MAX);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        long at = (long)i + 1;
        ROW(card_truncate, PANSEAL_E_ARGUMENT, c->at = at; c->first = counts[i]);
        ROW(card_truncate, PANSEAL_E_ARGUMENT, c->at = at; c->last = counts[i]);
        ROW(card_truncate, PANSEAL_E_ARGUMENT, c->at = at; c->first = counts[i]; c->last = 256);
    }
    ROW(card_truncate, PANSEAL_E_ARGUMENT, c->first = 16; c->last = 0);
    ROW(card_truncate, PANSEAL_E_ARGUMENT, c->first = 9; c->last = 4);
    ROW(card_truncate, PANSEAL_OK, c->first = 0; c->last = 0);
    ROW(card_truncate, PANSEAL_OK, c->first = c->last = PANSEAL_TRUNCATE_USUAL);
    for (int bit = 1; bit < 32; ++bit) {
        ROW(card_network, PANSEAL_E_ARGUMENT, c->at = bit; c->flags = (uint32_t)1 << bit);
    }
    ROW(card_network, PANSEAL_OK, c->flags = PANSEAL_NETWORK_STRICT);
    ROW(card_network, PANSEAL_OK, c->second = filled(c, '\xff', 65536));
    ROW(holder_write, PANSEAL_E_ARGUMENT, c->parts->reserved = 1);
    ROW(tlv_find, PANSEAL_E_MISSING, c->tag = 0);
    ROW(tlv_find, PANSEAL_E_MISSING, c->tag = UINT32_MAX);
    ROW(tlv_find, PANSEAL_E_MISSING, c->tag = 0x5a);

    /* Not UTF-8, and NUL. */
    ROW(holder_text, PANSEAL_E_CHARSET, c->text = given(c, "ADA \xff", 5));
    ROW(holder_text, PANSEAL_E_CHARSET, c->text = given(c, "ADA \xc3", 5) /* cut in two */);
    ROW(holder_text, PANSEAL_E_CHARSET, c->text = given(c, "ADA\0BYRON", 9));
    ROW(holder_write, PANSEAL_E_CHARSET, c->parts->surname = given(c, "\xed\xa0\x80", 3));
    ROW(holder_write, PANSEAL_E_CHARSET, c->parts->title = given(c, "\xff", 1));
    ROW(holder_text, PANSEAL_OK, c->text = filled(c, 'a', PANSEAL_HOLDER_MAX));
    ROW(holder_text, PANSEAL_E_TOO_LONG, c->text = filled(c, 'a', PANSEAL_HOLDER_MAX + 1));
    ROW(holder_write, PANSEAL_OK, c->parts->surname = filled(c, 'a', PANSEAL_HOLDER_MAX - 4));
    ROW(holder_write, PANSEAL_E_TOO_LONG, c->parts->surname = filled(c, 'a', PANSEAL_HOLDER_MAX - 3));
    ROW(card_group, PANSEAL_E_CHARSET, c->text = filled(c, '\xff', 16));
    ROW(card_truncate, PANSEAL_E_CHARSET, c->text = filled(c, '\xff', 16));
    ROW(card_network, PANSEAL_E_CHARSET, c->text = filled(c, '\xff', 16));
    ROW(card_partial, PANSEAL_E_CHARSET, c->text = filled(c, '\xff', 2));
    ROW(card_partial, PANSEAL_E_CHARSET, c->text = filled(c, 0, 2));
    ROW(card_group, PANSEAL_E_LENGTH, c->text = filled(c, '4', 20));

    /* Names where the parts lie in the room. */
    struct call *c = begin(&holder_write);
    c->parts->first.ptr = memcpy(c->to.text, "Ada", 3);
    c->parts->surname.ptr = memcpy(c->to.text + 6, "Byron", 5);
    end(c, "the name goes where its parts were", PANSEAL_OK);
    HOLDS(c->to.len == 9 && memcmp(c->to.text, "BYRON/ADA", 9) == 0);

    /* Records where the text was. */
    c = begin(&track_parse);
    c->text.ptr = memcpy((char *)c->track + 4, c->text.ptr, c->text.len);
    end(c, "the track goes where the text was", PANSEAL_OK);
    HOLDS(c->to.track.number.at == 1 && c->to.track.number.len == 16 && c->to.track.expiry_year == 2030);
    c = begin(&card_partial);
    c->text.ptr = memcpy(c->to.partial.possible, c->text.ptr, c->text.len);
    end(c, "the answer goes where the digits were", PANSEAL_OK);
    HOLDS(c->to.partial.digits == 4);
    c = begin(&holder_parse);
    c->text.ptr = memcpy(&c->to.holder.surname, c->text.ptr, c->text.len);
    end(c, "the spans go where the name was", PANSEAL_OK);
    HOLDS(c->to.holder.surname.len == 5 && c->to.holder.title.at == 12);
}

/* ---- scanning ---- */

/* A handle that is none, or not of a scanner. */
static void no_scanner(const char *name, panseal_scanner *scanner, panseal_status closing)
{
    struct call *c = begin(&scanner_feed);
    c->scanner = scanner;
    end(c, name, PANSEAL_E_HANDLE);
    c = begin(&scanner_finish);
    c->scanner = scanner;
    end(c, name, PANSEAL_E_HANDLE);
    c = begin(&scanner_close);
    c->scanner = scanner;
    end(c, name, closing);
}

static void stream_rows(void)
{
    static const char full[] = NUMBER "," NUMBER "," NUMBER "," NUMBER;
    static panseal_hit hits[PANSEAL_SCANNER_HITS];
    panseal_scanner *scanner = NULL, *other;
    struct call *c = begin(&scanner_feed);
    size_t count = 0, used = 0, found = 0, fed = 0;
    panseal_text text;

    /* All is held back until the end. */
    end(c, "a piece", PANSEAL_OK);
    HOLDS(c->to.len == 0 && c->to.end == c->text.len && (unsigned char)c->to.hits[0].masked[0] == PATTERN);
    HOLDS(panseal_scanner_finish(c->scanner, hits, PANSEAL_SCANNER_HITS, &count, NULL) == PANSEAL_OK && count == 2);
    HOLDS(hits[0].at == 10 && hits[0].len == 16 && strcmp(hits[1].masked, "555555******4444") == 0);
    HOLDS(panseal_scanner_finish(c->scanner, hits, PANSEAL_SCANNER_HITS, &count, NULL) == PANSEAL_OK && count == 0);

    /* As many numbers as there can be in a piece that is larger than what is taken at once. */
    HOLDS(panseal_scanner_open(&scanner, NULL) == PANSEAL_OK);
    for (int round = 0; round < 500; ++round) {
        text.ptr = full;
        text.len = sizeof full;
        while (text.len > 0) {
            if (panseal_scanner_feed(scanner, text.ptr, text.len, hits, PANSEAL_SCANNER_HITS, &count, &used, NULL)
                != PANSEAL_OK || count > PANSEAL_SCANNER_HITS || used == 0 || used > text.len) {
                holds("a piece is taken", 0);
                break;
            }
            for (size_t i = 0; i < count; ++i, ++found) {
                fed += hits[i].at != found / 4 * sizeof full + found % 4 * 17;
            }
            text.ptr += used;
            text.len -= used;
        }
    }
    HOLDS(panseal_scanner_finish(scanner, hits, PANSEAL_SCANNER_HITS, &count, NULL) == PANSEAL_OK);
    HOLDS(found + count == 2000 && fed == 0);
    HOLDS(panseal_scanner_close(scanner) == PANSEAL_OK);

    no_scanner("the scanner is NULL", NULL, PANSEAL_OK);
    no_scanner("the scanner is closed", scanner, PANSEAL_E_HANDLE);
    no_scanner("the scanner is a vault", (panseal_scanner *)(void *)good_vault, PANSEAL_E_HANDLE);
    HOLDS(panseal_scanner_open(&other, NULL) == PANSEAL_OK && other != scanner);
    no_scanner("the scanner is closed and its place taken", scanner, PANSEAL_E_HANDLE);
    {
        struct call *lookup = begin(&vault_lookup);
        lookup->vault = (panseal_vault *)(void *)other;
        end(lookup, "the vault is a scanner", PANSEAL_E_HANDLE);
    }
    HOLDS(panseal_scanner_close(other) == PANSEAL_OK);
}

static void scan_rows(void)
{
    struct call *c = begin(&scan_text);
    size_t from;
    end(c, "two numbers", PANSEAL_OK);
    HOLDS(c->to.len == 2 && c->to.end == c->text.len && (unsigned char)c->to.hits[2].masked[0] == PATTERN);
    HOLDS(c->to.hits[0].at == 10 && c->to.hits[0].len == 16 && strcmp(c->to.hits[1].masked, "555555******4444") == 0);
    from = c->to.hits[1].at;
    for (size_t cap = 0; cap < 2; ++cap) {
        c = begin(&scan_text);
        c->at = (long)cap;
        c->hits_cap = cap;
        end(c, "too few places", PANSEAL_OK);
        HOLDS(c->to.len == cap && c->to.end == (cap == 0 ? 10 : from));
        HOLDS((unsigned char)c->to.hits[cap].masked[0] == PATTERN);
    }
    ROW(scan_text, PANSEAL_OK, c->hits_cap = SIZE_MAX);
    ROW(scan_text, PANSEAL_OK, c->hits_cap = SIZE_MAX / sizeof(panseal_hit));

    c = begin(&chip_sequence);
    end(c, "a sequence number", PANSEAL_OK);
    HOLDS(c->to.month == 42);
    c = begin(&holds_number);
    end(c, "a text with a number", PANSEAL_OK);
    HOLDS(c->to.month == 1);
    c = begin(&holds_number);
    c->text = filled(c, 'x', 64);
    end(c, "a text without a number", PANSEAL_OK);
    HOLDS(c->to.month == 0);
    stream_rows();
    ROW(scan_text, PANSEAL_OK, c->len = (size_t *)(void *)((char *)block(c, sizeof(size_t) + 1) + 1));
    ROW(scan_text, PANSEAL_OK, c->end = (size_t *)(void *)((char *)block(c, sizeof(size_t) + 1) + 1));
    ROW(scan_text, PANSEAL_OK, c->hits = (panseal_hit *)(void *)((char *)block(c, 2 * sizeof(panseal_hit) + 3) + 3));
}

void format_rows(void)
{
    for (size_t i = 0; i < sizeof writers / sizeof *writers; ++i) {
        rows_of_writer(&writers[i]);
    }
    length_rows();
    null_rows();
    value_rows();
    scan_rows();

    STRUCT(check_many, column, INPUT);
    STRUCT(check_many, err, ERROR);
    STRUCT(holder_parse, holder, OUTPUT);
    STRUCT(holder_parse, err, ERROR);
    STRUCT(holder_write, parts, INPUT);
    STRUCT(holder_write, err, ERROR);
    STRUCT(card_network, network, OUTPUT);
    STRUCT(card_network, err, ERROR);
    STRUCT(card_partial, partial, OUTPUT);
    STRUCT(card_partial, err, ERROR);
    STRUCT(track_parse, track, OUTPUT);
    STRUCT(track_parse, err, ERROR);
    STRUCT(chip_read, track, OUTPUT);
    STRUCT(chip_read, err, ERROR);
    STRUCT(chip_record, track, OUTPUT);
    STRUCT(chip_record, err, ERROR);
    STRUCT(tlv_find, err, ERROR);
    STRUCT(iso8583_number, err, ERROR);
    STRUCT(iso8583_expiry, err, ERROR);
    STRUCT(iso8583_track2, track, OUTPUT);
    STRUCT(iso8583_track2, err, ERROR);
    STRUCT(scan_text, err, ERROR);
    STRUCT(holds_number, err, ERROR);
    STRUCT(scanner_feed, err, ERROR);
    STRUCT(scanner_finish, err, ERROR);

    /* Places for single values may lie anywhere, too. */
    ROW(expiry_parse, PANSEAL_OK, c->month = (int32_t *)(void *)((char *)block(c, 5) + 1));
    ROW(expiry_parse, PANSEAL_OK, c->year = (int32_t *)(void *)((char *)block(c, 7) + 3));
    ROW(iso8583_expiry, PANSEAL_OK, c->month = (int32_t *)(void *)((char *)block(c, 5) + 1));
    ROW(iso8583_number, PANSEAL_OK, c->end = (size_t *)(void *)((char *)block(c, sizeof(size_t) + 1) + 1));
    ROW(tlv_find, PANSEAL_OK, c->span = (panseal_span *)(void *)((char *)block(c, sizeof(panseal_span) + 1) + 1));

    HOLDS(panseal_table_version() > 0);
    HOLDS(panseal_table_date() != NULL && strlen(panseal_table_date()) == 10);
    HOLDS(panseal_table_date() == panseal_table_date());
}

/* ---- columns ---- */

/* Gives the column offsets, in a block of exactly their size. */
static void with_offsets(struct call *c, const int32_t offsets[ROWS + 1])
{
    c->column->width = 0;
    c->column->offsets = memcpy(block(c, (ROWS + 1) * sizeof *offsets), offsets, (ROWS + 1) * sizeof *offsets);
}

static uint32_t random_below(uint32_t end)
{
    static uint64_t state = 42;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % end;
}

/* What a single card of that number is refused for. */
static panseal_status judged_alone(const char *number, size_t len)
{
    panseal_card card;
    panseal_error err;
    PANSEAL_INIT(card);
    PANSEAL_INIT(err);
    card.number.ptr = number;
    card.number.len = len;
    return panseal_card_check(&card, NULL, &err) == PANSEAL_OK ? PANSEAL_OK : err.violations[0].code;
}

/* Columns of any width and count in blocks of exactly their size: each row as it is judged alone. */
static void rows_are_judged_as_alone(void)
{
    static const char *const numbers[] = {NUMBER, "378282246310005", "5555 5555 5555 4444", "6759649826438453123", "36227206271667"};
    static const char odd[] = "0123456789 -x\xff";
    int agree = 1, blank = 1;
    for (int round = 0; round < 1200; ++round) {
        size_t width = 1 + random_below(40), count = random_below(70);
        char *data = malloc(width * count + !count);
        int32_t *offsets = malloc((count + 1) * sizeof *offsets);
        panseal_status *status = malloc(count * sizeof *status + !count);
        uint8_t *networks = malloc(count + !count), *lengths = malloc(count + !count);
        char *last4 = malloc(4 * count + !count);
        panseal_column column;
        if (data == NULL || offsets == NULL || status == NULL || networks == NULL || lengths == NULL || last4 == NULL) {
            abort();
        }
        for (size_t row = 0; row < count; ++row) {
            const char *number = numbers[random_below(5)];
            for (size_t i = 0; i < width; ++i) {
                data[row * width + i] = i < strlen(number) ? number[i] : ' ';
            }
            for (uint32_t spoilt = random_below(3); spoilt > 0; --spoilt) {
                data[row * width + random_below((uint32_t)width)] = odd[random_below(sizeof odd)];
            }
        }
        PANSEAL_INIT(column);
        column.data = data;
        column.data_len = width * count;
        column.count = count;
        if (round % 2 == 0) {
            column.width = (uint32_t)width;
        } else {
            offsets[0] = 0;
            for (size_t row = 0; row < count; ++row) {
                offsets[row + 1] = row + 1 == count ? (int32_t)(width * count)
                                                    : offsets[row] + (int32_t)random_below((uint32_t)width + 1);
            }
            column.offsets = offsets;
        }
        memset(networks, PATTERN, count);
        memset(lengths, PATTERN, count);
        memset(last4, PATTERN, 4 * count);
        agree &= panseal_card_check_many(&column, status, networks, lengths, last4, NULL) == PANSEAL_OK;
        for (size_t row = 0; row < count; ++row) {
            const char *at = column.width ? data + row * width : data + offsets[row];
            size_t len = column.width ? width : (size_t)(offsets[row + 1] - offsets[row]);
            agree &= status[row] == judged_alone(at, len);
            blank &= status[row] == PANSEAL_OK
                     ? lengths[row] >= 12 && last4[4 * row] >= '0' && last4[4 * row] <= '9'
                     : networks[row] == 0 && lengths[row] == 0 && memcmp(last4 + 4 * row, "\0\0\0\0", 4) == 0;
        }
        free(data);
        free(offsets);
        free(status);
        free(networks);
        free(lengths);
        free(last4);
    }
    HOLDS(agree);
    HOLDS(blank);
}

void column_rows(void)
{
    static const int32_t hostile[][ROWS + 1] = {
        {0, 16, 8, 48},         {0, 1000, 16, 48},       {0, 16, 32, 49},
        {0, 16, 32, INT32_MAX}, {-16, 0, 16, 32},        {-48, -32, -16, 0},
        {INT32_MIN, 0, 16, 32}, {0, 16, 32, -1},         {0, 16, 32, INT32_MIN},
        {48, 32, 16, 0},        {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}, {0, -1, 0, 48}, {0, INT32_MIN, 16, 48},
    };
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 4 + 1,
                                    SIZE_MAX / 4, SIZE_MAX / 8};
    static const int32_t good[] = {0, 16, 32, 48}, empty[] = {0, 0, 0, 0}, at_end[] = {48, 48, 48, 48};
    struct call *c;

    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; ++i) {
        ROW(check_many, PANSEAL_E_ARGUMENT, c->at = (long)i + 1; with_offsets(c, hostile[i]));
    }
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; ++i) {
        long at = (long)i + 1;
        ROW(check_many, PANSEAL_E_ARGUMENT, c->at = at; c->column->count = absurd[i]);
        ROW(check_many, PANSEAL_E_ARGUMENT, c->at = at; c->column->count = absurd[i]; c->column->width = UINT32_MAX);
        ROW(check_many, PANSEAL_E_ARGUMENT, c->at = at; c->column->count = absurd[i]; c->networks = NULL;
            c->lengths = NULL; c->last4 = NULL);
        ROW(check_many, PANSEAL_E_ARGUMENT, c->at = at; with_offsets(c, good); c->column->count = absurd[i]);
    }
    for (size_t i = 0; i < 3; ++i) {
        ROW(check_many, PANSEAL_E_ARGUMENT, c->at = (long)i + 1; c->column->data_len = absurd[i]);
    }
    ROW(check_many, PANSEAL_E_ARGUMENT, c->column->width = UINT32_MAX);
    ROW(check_many, PANSEAL_E_ARGUMENT, c->column->width = UINT32_MAX; c->column->count = 1);
    ROW(check_many, PANSEAL_E_ARGUMENT, c->column->width = 17);
    ROW(check_many, PANSEAL_E_ARGUMENT, c->column->data_len -= 1);
    ROW(check_many, PANSEAL_E_ARGUMENT, c->column->data_len = 0);
    ROW(check_many, PANSEAL_E_ARGUMENT, with_offsets(c, good); c->column->data_len -= 1);
    ROW(check_many, PANSEAL_E_ARGUMENT, with_offsets(c, good); c->column->width = 16 /* both */);
    ROW(check_many, PANSEAL_E_ARGUMENT, with_offsets(c, good);
        c->column->offsets = (const int32_t *)(void *)((char *)memset(block(c, 17), 0, 17) + 1));
    ROW(check_many, PANSEAL_E_ARGUMENT, c->status = (panseal_status *)(void *)((char *)block(c, 13) + 1));

    ROW(check_many, PANSEAL_E_NULL, c->column = NULL);
    ROW(check_many, PANSEAL_E_NULL, c->status = NULL);
    ROW(check_many, PANSEAL_E_NULL, c->status = NULL; c->column->count = 0);
    ROW(check_many, PANSEAL_E_NULL, c->column->data = NULL);
    ROW(check_many, PANSEAL_E_NULL, with_offsets(c, good); c->column->data = NULL);
    ROW(check_many, PANSEAL_E_NULL, c->column->width = 0);
    ROW(check_many, PANSEAL_E_ARGUMENT, c->column->data = NULL; c->column->data_len = 0);
    ROW(check_many, PANSEAL_OK, c->networks = NULL);
    ROW(check_many, PANSEAL_OK, c->lengths = NULL);
    ROW(check_many, PANSEAL_OK, c->last4 = NULL);
    ROW(check_many, PANSEAL_OK, with_offsets(c, good));

    c = begin(&check_many);
    c->column->data = NULL;
    c->column->data_len = c->column->count = 0;
    end(c, "no rows of a width", PANSEAL_OK);
    HOLDS((unsigned char)c->to.last4[0] == PATTERN && c->to.networks[0] == PATTERN);
    c->column->width = 0;
    HOLDS(panseal_card_check_many(c->column, c->status, NULL, NULL, NULL, NULL) == PANSEAL_OK);
    c = begin(&check_many);
    with_offsets(c, empty);
    c->column->data = NULL;
    c->column->data_len = 0;
    end(c, "empty rows of no data", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_E_MISSING && c->to.status[2] == PANSEAL_E_MISSING && c->to.lengths[2] == 0);
    c = begin(&check_many);
    with_offsets(c, at_end);
    end(c, "empty rows at the end of the data", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_E_MISSING);
    c = begin(&check_many);
    c->column->width = 1 << 20;
    c->column->count = 1;
    c->column->data_len = 1 << 20;
    c->column->data = filled(c, '4', 1 << 20).ptr;
    end(c, "a row of a million digits", PANSEAL_OK);
    HOLDS(c->to.status[0] == PANSEAL_E_LENGTH && c->to.networks[1] == PATTERN);

    rows_are_judged_as_alone();
}

/* ---- bytes that mean nothing ---- */

static int is_within(panseal_span span, size_t end)
{
    return span.at <= end && span.len <= end - span.at;
}

static int spans_are_within(const struct call *c)
{
    const panseal_track *t = &c->to.track;
    const panseal_holder *h = &c->to.holder;
    size_t end = c->out[0] == (char)PATTERN ? c->text.len : c->to.len;
    if (c->function == &holder_parse) {
        return is_within(h->surname, end) && is_within(h->first, end) && is_within(h->middle, end) && is_within(h->title, end);
    }
    if (c->function == &tlv_find) {
        return is_within(c->to.span, end);
    }
    if (c->function == &iso8583_number) {
        return c->to.end <= c->text.len;
    }
    if (c->function == &track_parse || c->function == &chip_read || c->function == &chip_record
        || c->function == &iso8583_track2) {
        return is_within(t->number, end) && is_within(t->name, end) && is_within(t->service_code, end)
               && is_within(t->discretionary, end) && t->end <= (c->function == &iso8583_track2 ? c->text.len : end);
    }
    return 1;
}

static void endure(const struct function *function, const char *what, int32_t form, void (*make)(char *, size_t *))
{
    int within = 1;
    for (int round = 0; round < 800; ++round) {
        char bytes[256];
        size_t len;
        struct call *c = begin(function);
        c->is_one_of_many = 1;
        c->at = round;
        c->form = form;
        len = c->text.len;
        memcpy(bytes, c->text.ptr, len);
        if (form == PANSEAL_ISO8583_PACKED && function == &iso8583_number) {
            len = 9;
            memcpy(bytes, "\x16\x42\x42\x42\x42\x42\x42\x42\x42", len);
        } else if (form == PANSEAL_ISO8583_PACKED && function == &iso8583_track2) {
            len = 16;
            memcpy(bytes, "\x29\x42\x42\x42\x42\x42\x42\x42\x42\xd3\x01\x21\x01\x12\x34\x5f", len);
        }
        make(bytes, &len);
        c->text = given(c, bytes, len);
        if (end(c, what, ANY_JUDGEMENT) == PANSEAL_OK) {
            within &= spans_are_within(c);
        }
    }
    holds(what, within);
}

static void random_bytes(char *bytes, size_t *len)
{
    *len = random_below(61);
    for (size_t i = 0; i < *len; ++i) {
        bytes[i] = (char)random_below(256);
    }
}

/* Characters that the formats are made of. */
static void random_words(char *bytes, size_t *len)
{
    static const char alphabet[] = "0123456789%;?=^/.BD \xff\x57\x5a\x5f\x24\x70\x77\x81\x82";
    *len = random_below(61);
    for (size_t i = 0; i < *len; ++i) {
        bytes[i] = alphabet[random_below(sizeof alphabet)];
    }
}

/* What is right at first, with up to three changes: a byte, a byte less, a byte more. */
static void spoilt(char *bytes, size_t *len)
{
    for (uint32_t changes = 1 + random_below(3); changes > 0; --changes) {
        size_t at = random_below((uint32_t)*len + 1);
        switch (random_below(3)) {
        case 0:
            if (at < *len) {
                bytes[at] = (char)random_below(256);
            }
            break;
        case 1:
            if (at < *len) {
                memmove(bytes + at, bytes + at + 1, *len - at - 1);
                --*len;
            }
            break;
        default:
            memmove(bytes + at + 1, bytes + at, *len - at);
            bytes[at] = (char)random_below(256);
            ++*len;
        }
    }
}

void garbage_rows(void)
{
    for (size_t k = 0; k < sizeof readers / sizeof *readers; ++k) {
        for (int32_t form = 0; form < 2; ++form) {
            endure(readers[k], "random bytes", form, random_bytes);
            endure(readers[k], "random words", form, random_words);
            endure(readers[k], "changed bytes", form, spoilt);
        }
    }
    endure(&scan_text, "random bytes", 0, random_bytes);
    endure(&scan_text, "random words", 0, random_words);
    endure(&scan_text, "changed bytes", 0, spoilt);
    endure(&scanner_feed, "random words", 0, random_words);
    endure(&holds_number, "random words", 0, random_words);
    endure(&chip_service_code, "random bytes", 0, random_bytes);
    endure(&chip_sequence, "random bytes", 0, random_bytes);
    for (int byte = 0; byte < 256; ++byte) {
        HOLDS(panseal_aid_network(&(uint8_t){(uint8_t)byte}, 1) == 0);
    }
}
