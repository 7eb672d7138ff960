/* The subject of tests/residue_process.rs: runs one path through the library with card data that it reads from
 * standard input into one buffer, and stops itself, so that its memory can be searched.
 *
 *     residue_child paths
 *     residue_child PATH (keep|wipe) (open|close) (main|thread) (none|live|freed|stack) DIRECTORY
 *
 * The first form names the paths. keep leaves the card data in the buffer, wipe clears it; open leaves the vault open;
 * main or thread says where the path runs; the last but one plants a leak. Card data is touched by the library alone:
 * no stdio, no string functions, and nothing is called after the path that could cover its traces.
 */
#define _POSIX_C_SOURCE 200809L

#include <panseal.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NUMBERS = 5, NOW = 1895000000 /* 2030-01-18 */ };

/* As the parent writes it: a length, then the characters. */
struct text {
    unsigned char len;
    char bytes[31];
};

/* The caller's buffer: the one place where card data may be. */
static struct secrets {
    struct text number[NUMBERS];
    struct text name[NUMBERS];
    struct text cvv[NUMBERS];
    struct text wrong;            /* fails the Luhn check */
    struct text typed;            /* the first number with spaces */
    char out[32];
    unsigned char work[256];      /* where a path writes card data as a reader gives it */
} secrets;

static char url[512], root[512], keyring[512];
static panseal_vault *vault;
static panseal_tokenizer *tokenizer;
static char token[NUMBERS][PANSEAL_TOKEN_MAX + 1];
static size_t token_len[NUMBERS];
static panseal_error err;

/* A path that does not go as it should proves nothing: the parent is told by name. */
static void must(panseal_status status, panseal_status expected, const char *what)
{
    if (status != expected) {
        dprintf(STDERR_FILENO, "%s: status %d, not %d\n", what, (int)status, (int)expected);
        _exit(3);
    }
}

static panseal_text text(const struct text *from)
{
    panseal_text text;
    text.ptr = from->bytes;
    text.len = from->len;
    return text;
}

static panseal_card card(int which)
{
    panseal_card card;
    PANSEAL_INIT(card);
    card.expiry_month = 12;
    card.expiry_year = 2031;
    card.now = NOW;
    card.number = text(&secrets.number[which]);
    card.name = text(&secrets.name[which]);
    card.cvv = text(&secrets.cvv[which]);
    return card;
}

/* ---- the paths ---- */

static void check(const panseal_card *card, panseal_status expected)
{
    panseal_card_info info;
    PANSEAL_INIT(info);
    PANSEAL_INIT(err);
    must(panseal_card_check(card, &info, &err), expected, "check");
}

static void check_good(void)
{
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_card good = card(i);
        check(&good, PANSEAL_OK);
    }
}

static void check_bad_luhn(void)
{
    panseal_card wrong = card(0);
    wrong.number = text(&secrets.wrong);
    check(&wrong, PANSEAL_E_CARD);
}

static void check_typed(void)
{
    panseal_card typed = card(0);
    typed.number = text(&secrets.typed);
    check(&typed, PANSEAL_OK);
    typed.flags = PANSEAL_CARD_STRICT;
    check(&typed, PANSEAL_E_CARD);
}

/* Everything in the wrong field, as happens at a counter. */
static void check_all_wrong(void)
{
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_card wrong = card(i);
        wrong.number = text(&secrets.name[i]);
        wrong.name = text(&secrets.number[i]);
        wrong.cvv = text(&secrets.number[i]);
        wrong.postal_code = text(&secrets.number[i]);
        wrong.expiry_month = 13;
        check(&wrong, PANSEAL_E_CARD);
    }
}

static void mask(void)
{
    char masked[PANSEAL_MASK_MAX + 1];
    size_t len;
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text number = text(&secrets.number[i]);
        must(panseal_card_mask(number.ptr, number.len, 0, masked, sizeof masked, &len), PANSEAL_OK, "mask");
        must(panseal_card_mask(number.ptr, number.len, 0, masked, 3, &len), PANSEAL_E_BUFFER, "mask, no room");
    }
}

/* Every view, the grouped number, and what is kept of it. */
static void display(void)
{
    char shown[PANSEAL_MASK_MAX + 1];
    size_t len;
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text number = text(&secrets.number[i]);
        for (uint32_t flags = 0; flags < 7; ++flags) {
            must(panseal_card_mask(number.ptr, number.len, flags, shown, sizeof shown, &len),
                 flags == 3 ? PANSEAL_E_ARGUMENT : PANSEAL_OK, "mask with a view");
        }
        must(panseal_card_truncate(number.ptr, number.len, PANSEAL_TRUNCATE_USUAL, PANSEAL_TRUNCATE_USUAL, shown,
                                   sizeof shown, &len), PANSEAL_OK, "truncate");
        must(panseal_card_truncate(number.ptr, number.len, 12, 4, shown, sizeof shown, &len), PANSEAL_E_ARGUMENT,
             "truncate too little");
        must(panseal_card_group(number.ptr, number.len, secrets.out, 3, &len), PANSEAL_E_BUFFER, "group, no room");
        must(panseal_card_group(number.ptr, number.len, secrets.out, sizeof secrets.out, &len), PANSEAL_OK, "group");
    }
}

/* The numbers where they lie, as a column with offsets: every second row is what lies between them. Then each alone, as a
 * column of its own width. */
static void check_many(void)
{
    enum { ROWS = 2 * NUMBERS - 1 };
    int32_t offsets[ROWS + 1];
    panseal_status status[ROWS];
    uint8_t network[ROWS], length[ROWS];
    char last4[4 * ROWS];
    panseal_column column;
    for (int i = 0; i < NUMBERS; ++i) {
        offsets[2 * i] = (int32_t)(i * (int)sizeof(struct text)) + 1;
        offsets[2 * i + 1] = offsets[2 * i] + secrets.number[i].len;
    }
    PANSEAL_INIT(column);
    PANSEAL_INIT(err);
    column.data = (const char *)&secrets;
    column.data_len = sizeof secrets.number;
    column.offsets = offsets;
    column.count = ROWS;
    must(panseal_card_check_many(&column, status, network, length, last4, &err), PANSEAL_OK, "check_many");
    for (int i = 0; i < ROWS; ++i) {
        must(status[i], i % 2 == 0 ? PANSEAL_OK : PANSEAL_E_CHARSET, "a row");
    }
    for (int i = 0; i < NUMBERS; ++i) {
        PANSEAL_INIT(column);
        column.data = secrets.number[i].bytes;
        column.data_len = column.width = secrets.number[i].len;
        column.count = 1;
        must(panseal_card_check_many(&column, status, network, length, last4, &err), PANSEAL_OK, "check_many of one");
        must(status[0], PANSEAL_OK, "the row");
    }
}

static void keyed(void)
{
    panseal_partial so_far;
    for (int i = 0; i < NUMBERS; ++i) {
        for (size_t len = 0; len <= secrets.number[i].len; ++len) {
            PANSEAL_INIT(so_far);
            must(panseal_card_partial(secrets.number[i].bytes, len, &so_far, &err), PANSEAL_OK, "partial");
        }
    }
    must(panseal_card_partial(secrets.typed.bytes, secrets.typed.len, &so_far, &err), PANSEAL_OK, "partial, typed");
    must(panseal_card_partial(secrets.name[0].bytes, secrets.name[0].len, &so_far, &err), PANSEAL_E_CHARSET,
         "partial of a name");
}

static void network(void)
{
    static const uint8_t aid[] = {0xa0, 0, 0, 0, 0x03, 0x10, 0x10};
    panseal_network_info info;
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text number = text(&secrets.number[i]);
        PANSEAL_INIT(info);
        must(panseal_card_network(number.ptr, number.len, NULL, 0, 0, &info, &err), PANSEAL_OK, "network");
        must(panseal_card_network(number.ptr, number.len, aid, sizeof aid, PANSEAL_NETWORK_STRICT, &info, &err),
             PANSEAL_OK, "network with an application");
        panseal_aid_network((const uint8_t *)number.ptr, number.len);
    }
}

static void holder(void)
{
    panseal_holder_parts parts;
    panseal_holder spans;
    size_t len;
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text name = text(&secrets.name[i]), number = text(&secrets.number[i]);
        must(panseal_holder_text(name.ptr, name.len, secrets.out, 3, &len), PANSEAL_E_BUFFER, "holder_text, no room");
        must(panseal_holder_text(name.ptr, name.len, secrets.out, sizeof secrets.out, &len), PANSEAL_OK, "holder_text");
        must(panseal_holder_text(number.ptr, number.len, secrets.out, sizeof secrets.out, &len), PANSEAL_E_MALFORMED,
             "holder_text of a number");
        PANSEAL_INIT(parts);
        parts.surname = name;
        must(panseal_holder_write(&parts, secrets.out, sizeof secrets.out, &len, &err), PANSEAL_OK, "holder_write");
        parts.first = name;
        must(panseal_holder_write(&parts, secrets.out, sizeof secrets.out, &len, &err), PANSEAL_E_TOO_LONG,
             "holder_write of two");
        PANSEAL_INIT(spans);
        must(panseal_holder_parse(name.ptr, name.len, &spans, &err), PANSEAL_OK, "holder_parse");
    }
}

/* Writes byte by byte: a copy must not pass through wide registers, from where it could get to the stack. */
static size_t put_at(size_t at, const char *bytes, size_t len)
{
    volatile unsigned char *work = secrets.work;
    for (size_t i = 0; i < len; ++i) {
        work[at + i] = (unsigned char)bytes[i];
    }
    return at + len;
}

/* Writes digits two to a byte, from one nibble on. */
static size_t pack_at(size_t nibble, const char *digits, size_t len)
{
    volatile unsigned char *work = secrets.work;
    for (size_t i = 0; i < len; ++i, ++nibble) {
        unsigned value = digits[i] >= 'A' ? (unsigned)(digits[i] - 'A') + 10 : (unsigned)(digits[i] - '0');
        work[nibble / 2] = (unsigned char)(nibble % 2 == 0 ? value << 4 | 0xf : (work[nibble / 2] & 0xf0) | value);
    }
    return nibble;
}

static size_t put_track1(int which, const char *end, size_t end_len)
{
    size_t len = put_at(0, "%B", 2);
    len = put_at(len, secrets.number[which].bytes, secrets.number[which].len);
    len = put_at(len, "^", 1);
    len = put_at(len, secrets.name[which].bytes, secrets.name[which].len);
    return put_at(len, end, end_len);
}

static void tracks(void)
{
    const char *work = (const char *)secrets.work;
    panseal_track track;
    panseal_holder spans;
    panseal_card swiped;
    for (int i = 0; i < NUMBERS; ++i) {
        size_t len = put_track1(i, "^3112101000000?", 15);
        PANSEAL_INIT(track);
        PANSEAL_INIT(spans);
        must(panseal_track_parse(work, len, &track, &err), PANSEAL_OK, "track 1");
        must(panseal_holder_parse(work + track.name.at, track.name.len, &spans, &err), PANSEAL_OK, "its name");
        swiped = card(i);
        swiped.number.ptr = work + track.number.at;
        swiped.number.len = track.number.len;
        check(&swiped, PANSEAL_OK);
        len = put_track1(i, "^3113", 5);
        must(panseal_track_parse(work, len, &track, &err), PANSEAL_E_MALFORMED, "track 1, month 13");

        len = put_at(0, ";", 1);
        len = put_at(len, secrets.number[i].bytes, secrets.number[i].len);
        len = put_at(len, "=3112101000000?", 15);
        must(panseal_track_parse(work, len, &track, &err), PANSEAL_OK, "track 2");
        must(panseal_track_parse(work, 12, &track, &err), PANSEAL_E_MALFORMED, "track 2, cut short");
    }
}

/* What a chip gives, packed in the caller's buffer and unpacked over itself. */
static void chip(void)
{
    static const char tail[] = "D3112101000";
    panseal_track track;
    char *work = (char *)secrets.work;
    const uint8_t *packed = secrets.work;
    size_t len;
    for (int i = 0; i < NUMBERS; ++i) {
        const struct text *number = &secrets.number[i];
        size_t size = (number->len + sizeof tail) / 2;
        PANSEAL_INIT(track);
        pack_at(pack_at(0, number->bytes, number->len), tail, sizeof tail - 1);
        must(panseal_chip_read(packed, size, NULL, 0, NULL, 0, work, 3, &len, &track, &err), PANSEAL_E_BUFFER,
             "chip, no room");
        must(panseal_chip_read(packed, size, packed, 6, NULL, 0, work, sizeof secrets.work, &len, &track, &err),
             PANSEAL_E_MALFORMED, "chip, two numbers");
        must(panseal_chip_read(packed, size, NULL, 0, NULL, 0, work, sizeof secrets.work, &len, &track, &err),
             PANSEAL_OK, "chip");

        put_at(0, "\x70\0\x57", 4);
        secrets.work[1] = (unsigned char)(size + 2);
        secrets.work[3] = (unsigned char)size;
        pack_at(pack_at(8, number->bytes, number->len), tail, sizeof tail - 1);
        must(panseal_chip_record(packed, size + 4, work, sizeof secrets.work, &len, &track, &err), PANSEAL_OK,
             "chip's record");

        pack_at(pack_at(0, number->bytes, number->len), tail, sizeof tail - 1);
        must(panseal_bcd_unpack(packed, size, work, sizeof secrets.work, &len), PANSEAL_OK, "unpack");
    }
}

static void messages(void)
{
    static const char tail[] = "D3112101000";
    panseal_track track;
    char *work = (char *)secrets.work;
    const uint8_t *field = secrets.work;
    char digits[2];
    size_t len, end;
    for (int i = 0; i < NUMBERS; ++i) {
        const struct text *number = &secrets.number[i];
        size_t all = number->len + sizeof tail - 1;
        digits[0] = (char)('0' + number->len / 10);
        digits[1] = (char)('0' + number->len % 10);
        put_at(put_at(0, digits, 2), number->bytes, number->len);
        must(panseal_iso8583_number(field, number->len + 2u, PANSEAL_ISO8583_TEXT, work, sizeof secrets.work, &len, &end,
                                    &err), PANSEAL_OK, "field 2, text");
        pack_at(pack_at(0, digits, 2), number->bytes, number->len);
        must(panseal_iso8583_number(field, (number->len + 3u) / 2, PANSEAL_ISO8583_PACKED, work, sizeof secrets.work,
                                    &len, &end, &err), PANSEAL_OK, "field 2, packed");

        digits[0] = (char)('0' + all / 10);
        digits[1] = (char)('0' + all % 10);
        PANSEAL_INIT(track);
        put_at(put_at(put_at(0, digits, 2), number->bytes, number->len), tail, sizeof tail - 1);
        must(panseal_iso8583_track2(field, all + 2, PANSEAL_ISO8583_TEXT, work, sizeof secrets.work, &len, &track, &err),
             PANSEAL_OK, "field 35, text");
        pack_at(pack_at(pack_at(0, digits, 2), number->bytes, number->len), tail, sizeof tail - 1);
        must(panseal_iso8583_track2(field, (all + 3) / 2, PANSEAL_ISO8583_PACKED, work, sizeof secrets.work, &len,
                                    &track, &err), PANSEAL_OK, "field 35, packed");
    }
}

/* The whole buffer as it lies, then a track, and each number as a run. */
static void scan(void)
{
    panseal_hit hits[2 * NUMBERS];
    size_t count, next;
    must(panseal_scan((const char *)&secrets, sizeof secrets, hits, 2 * NUMBERS, &count, &next, &err), PANSEAL_OK,
         "scan");
    for (int i = 0; i < NUMBERS; ++i) {
        size_t len = put_track1(i, "^3112101000000?", 15);
        must(panseal_scan((const char *)secrets.work, len, hits, 1, &count, &next, &err), PANSEAL_OK, "scan a track");
        must(count == 1 ? PANSEAL_OK : PANSEAL_E_INTERNAL, PANSEAL_OK, "a find");
        must(panseal_scan(secrets.number[i].bytes, secrets.number[i].len, NULL, 0, &count, &next, &err), PANSEAL_OK,
             "scan without places");
        must(panseal_scan(secrets.number[0].bytes, secrets.number[0].len, hits, 1, &count, &next, &err), PANSEAL_OK,
             "scan a run");
        must(count == 1 && hits[0].form == PANSEAL_HIT_RUN ? PANSEAL_OK : PANSEAL_E_INTERNAL, PANSEAL_OK, "a run");
    }
}

/* Each number in two pieces, the second time with the scanner closed while it holds one back. */
static void stream(void)
{
    static panseal_hit hits[PANSEAL_SCANNER_HITS];
    panseal_scanner *scanner;
    size_t count, used;
    int32_t holds;
    must(panseal_scanner_open(&scanner, &err), PANSEAL_OK, "scanner");
    for (int i = 0; i < NUMBERS; ++i) {
        const char *bytes = secrets.number[i].bytes;
        size_t len = secrets.number[i].len;
        must(panseal_holds_card_number(bytes, len, &holds, &err), PANSEAL_OK, "holds a number");
        for (int round = 0; round < 2; ++round) {
            must(panseal_scanner_feed(scanner, " ", 1, hits, PANSEAL_SCANNER_HITS, &count, &used, &err), PANSEAL_OK,
                 "feed a space");
            must(panseal_scanner_feed(scanner, bytes, 9, hits, PANSEAL_SCANNER_HITS, &count, &used, &err), PANSEAL_OK,
                 "feed a piece");
            must(panseal_scanner_feed(scanner, bytes + 9, len - 9, hits, PANSEAL_SCANNER_HITS, &count, &used, &err),
                 PANSEAL_OK, "feed the rest");
            if (round == 0) {
                must(panseal_scanner_finish(scanner, hits, PANSEAL_SCANNER_HITS, &count, &err), PANSEAL_OK, "finish");
            }
        }
        must(panseal_scanner_close(scanner), PANSEAL_OK, "close the scanner");
        must(panseal_scanner_open(&scanner, &err), PANSEAL_OK, "scanner");
    }
    must(panseal_scanner_close(scanner), PANSEAL_OK, "close the scanner");
}

static void tokenize_with(panseal_vault *with)
{
    panseal_instrument made;
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_card good = card(i);
        PANSEAL_INIT(made);
        PANSEAL_INIT(err);
        must(panseal_vault_tokenize(with, &good, NULL, &made, &err), PANSEAL_OK, "tokenize");
        token_len[i] = strlen(made.token);
        memcpy(token[i], made.token, sizeof token[i]);
    }
}

static void tokenize(void)
{
    tokenize_with(vault);
}

static void tokenize_hundred(void)
{
    for (int round = 0; round < 100 / NUMBERS; ++round) {
        tokenize();
    }
}

static void tokenize_refused(void)
{
    panseal_instrument made;
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_card expired = card(i);
        expired.expiry_year = 2029;
        PANSEAL_INIT(made);
        PANSEAL_INIT(err);
        must(panseal_vault_tokenize(vault, &expired, NULL, &made, &err), PANSEAL_E_CARD, "tokenize an expired card");
    }
    panseal_card wrong = card(0);
    wrong.number = text(&secrets.wrong);
    must(panseal_vault_tokenize(vault, &wrong, NULL, &made, &err), PANSEAL_E_CARD, "tokenize a wrong number");
}

static void lookup(void)
{
    panseal_instrument found;
    tokenize();
    for (int i = 0; i < NUMBERS; ++i) {
        PANSEAL_INIT(found);
        must(panseal_vault_lookup(vault, token[i], token_len[i], &found, &err), PANSEAL_OK, "lookup");
    }
}

static void detokenize_with(panseal_vault *with)
{
    size_t len;
    for (int i = 0; i < NUMBERS; ++i) {
        must(panseal_vault_detokenize(with, token[i], token_len[i], "test", 4, secrets.out, sizeof secrets.out, &len,
                                      &err), PANSEAL_OK, "detokenize");
        if (len != secrets.number[i].len) {
            must(PANSEAL_OK, PANSEAL_E_INTERNAL, "detokenize gave another length");
        }
    }
}

static void detokenize(void)
{
    tokenize();
    detokenize_with(vault);
}

static void detokenize_no_room(void)
{
    size_t len;
    tokenize();
    for (int i = 0; i < NUMBERS; ++i) {
        must(panseal_vault_detokenize(vault, token[i], token_len[i], "test", 4, secrets.out, 11, &len, &err),
             PANSEAL_E_BUFFER, "detokenize without room");
    }
}

/* The token is unknown; then it is a card number, which a till may well send. */
static void detokenize_wrong_token(void)
{
    size_t len;
    tokenize();
    token[0][0] = token[0][0] == '0' ? '1' : '0';
    must(panseal_vault_detokenize(vault, token[0], token_len[0], "test", 4, secrets.out, sizeof secrets.out, &len,
                                  &err), PANSEAL_E_TOKEN, "detokenize an unknown token");
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text number = text(&secrets.number[i]);
        must(panseal_vault_detokenize(vault, number.ptr, number.len, "test", 4, secrets.out, sizeof secrets.out, &len,
                                      &err), PANSEAL_E_TOKEN, "detokenize a card number");
    }
}

static void merchant(void)
{
    panseal_vault *other = NULL;
    must(panseal_vault_merchant(vault, "m2", &other, &err), PANSEAL_OK, "merchant");
    tokenize_with(other);
    detokenize_with(other);
    must(panseal_vault_close(other), PANSEAL_OK, "close the merchant's handle");
}

static void deactivate(void)
{
    size_t len;
    tokenize();
    for (int i = 0; i < NUMBERS; ++i) {
        must(panseal_vault_deactivate(vault, token[i], token_len[i], &err), PANSEAL_OK, "deactivate");
        must(panseal_vault_detokenize(vault, token[i], token_len[i], "test", 4, secrets.out, sizeof secrets.out, &len,
                                      &err), PANSEAL_E_INACTIVE, "detokenize an inactive one");
    }
}

/* A batch with one that is refused; the second time every card is here already. */
static void batch(void)
{
    panseal_card cards[NUMBERS + 1];
    panseal_tokenize_options options;
    panseal_instrument made[NUMBERS + 1];
    panseal_status status[NUMBERS + 1];
    PANSEAL_INIT(options);
    options.customer.ptr = "c-1";
    options.customer.len = 3;
    options.reuse = PANSEAL_REUSE_CUSTOMER;
    options.metadata.ptr = "{\"order\":\"7\"}";
    options.metadata.len = 13;
    for (int i = 0; i < NUMBERS; ++i) {
        cards[i] = card(i);
    }
    cards[NUMBERS] = card(0);
    cards[NUMBERS].number = text(&secrets.wrong);
    for (int round = 0; round < 2; ++round) {
        PANSEAL_INIT(made[0]);
        must(panseal_vault_tokenize_many(vault, cards, NUMBERS + 1, &options, 1, made, status, &err), PANSEAL_OK,
             "batch");
        for (int i = 0; i < NUMBERS; ++i) {
            must(status[i], PANSEAL_OK, "a card of a batch");
            must(made[i].reused, round, "a card that is here already");
            token_len[i] = strlen(made[i].token);
            memcpy(token[i], made[i].token, sizeof token[i]);
        }
        must(status[NUMBERS], PANSEAL_E_LUHN, "a wrong card of a batch");
    }
}

/* Found by their numbers, listed, changed, purged or removed. */
static void instruments(void)
{
    panseal_instrument page[NUMBERS];
    panseal_change change;
    size_t count;
    tokenize();
    PANSEAL_INIT(change);
    change.fields = PANSEAL_CHANGE_NAME | PANSEAL_CHANGE_EXPIRY | PANSEAL_CHANGE_KEEP_UNTIL;
    change.expiry_month = 1;
    change.expiry_year = 2032;
    PANSEAL_INIT(page[0]);
    must(panseal_vault_list(vault, NULL, page, NUMBERS, &count, &err), PANSEAL_OK, "list");
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text number = text(&secrets.number[i]);
        must(panseal_vault_find(vault, number.ptr, number.len, page, 1, &count, &err), PANSEAL_OK, "find");
        must((panseal_status)count, 1, "a card that is here once");
        change.name = text(&secrets.name[(i + 1) % NUMBERS]);
        change.keep_until = i % 2;
        must(panseal_vault_update(vault, token[i], token_len[i], &change, page, &err), PANSEAL_OK, "update");
        must(panseal_vault_name(vault, token[i], token_len[i], secrets.out, sizeof secrets.out, &count, &err),
             PANSEAL_OK, "name");
    }
    must(panseal_vault_purge_expired(vault, NULL, NULL, NULL, &err), PANSEAL_OK, "purge");
    for (int i = 0; i < NUMBERS; i += 2) {
        must(panseal_vault_delete(vault, token[i], token_len[i], &err), PANSEAL_OK, "delete");
    }
}

static int32_t sees(void *userdata, const char *merchant, const char *actor, const char *kind, size_t count)
{
    (void)userdata, (void)merchant, (void)actor, (void)kind;
    return count > NUMBERS;
}

/* Every key changed under the cards, with a guard that looks on. */
static void change_keys(void)
{
    panseal_vault_state state;
    size_t count;
    tokenize();
    must(panseal_vault_guard(vault, sees, NULL, &err), PANSEAL_OK, "guard");
    must(panseal_vault_rotate(vault, NULL, &err), PANSEAL_OK, "rotate");
    must(panseal_vault_rewrap(vault, NULL, NULL, NULL, NULL, NULL, &err), PANSEAL_OK, "rewrap");
    must(panseal_vault_destroy(vault, 1, &err), PANSEAL_OK, "destroy");
    must(panseal_vault_change_index(vault, NULL, NULL, NULL, NULL, NULL, &err), PANSEAL_OK, "change the index key");
    must(panseal_vault_change_root(vault, root, NULL, NULL, &err), PANSEAL_OK, "change the root key");
    PANSEAL_INIT(state);
    must(panseal_vault_status(vault, &state, NULL, 0, &count, &err), PANSEAL_OK, "status");
    detokenize_with(vault);
    must(panseal_vault_guard(vault, NULL, NULL, &err), PANSEAL_OK, "no guard");
}

static void put_body(const char *before, int which, const char *behind, panseal_request *request)
{
    size_t len = put_at(0, before, strlen(before));
    len = put_at(len, secrets.number[which].bytes, secrets.number[which].len);
    len = put_at(len, behind, strlen(behind));
    request->body.ptr = (const char *)secrets.work;
    request->body.len = len;
}

static int asked(panseal_request *request)
{
    static char reply[PANSEAL_REPLY_MAX];
    panseal_response response;
    size_t len;
    PANSEAL_INIT(response);
    request->method.ptr = "POST";
    request->method.len = 4;
    must(panseal_vault_handle(vault, request, &response, reply, sizeof reply, &len, &err), PANSEAL_OK, "handle");
    must(response.failure, PANSEAL_OK, "what a provider is asked");
    return response.status;
}

/* What providers' callers send; then a number in other places: a name, a month, a path, a signature. */
static void dialects(void)
{
    panseal_request request;
    PANSEAL_INIT(request);
    request.flags = PANSEAL_REQUEST_TRUSTED;
    request.now = NOW;
    for (int i = 0; i < NUMBERS; ++i) {
        int is_first = i == 0;
        request.dialect = "webpay";
        request.target.ptr = "/v2/tokens";
        request.target.len = 10;
        put_body("{\"type\":\"card\",\"card\":{\"pan\":\"", i, "\",\"expiration_date\":\"3112\"}}", &request);
        must(asked(&request) == 200 || !is_first ? 0 : 1, 0, "webpay");
        put_body("{\"type\":\"card\",\"card\":{\"pan\":\"7\",\"expiration_date\":\"", i, "\"}}", &request);
        asked(&request);
        request.flags = 0;
        request.headers = text(&secrets.number[i]);
        must(asked(&request) == 401 ? 0 : 1, 0, "webpay, unknown");
        request.headers.len = 0;
        request.flags = PANSEAL_REQUEST_TRUSTED;

        request.dialect = "stax";
        request.target.ptr = "/payment-method";
        request.target.len = 15;
        put_body("{\"method\":\"card\",\"person_name\":\"Ada Byron\",\"card_exp\":\"1231\",\"card_number\":\"", i, "\"}",
                 &request);
        must(asked(&request) == 200 || !is_first ? 0 : 1, 0, "stax");
        put_body("{\"method\":\"card\",\"card_exp\":\"1231\",\"person_name\":\"", i, "\",\"card_number\":\"7\"}",
                 &request);
        must(asked(&request) == 422 ? 0 : 1, 0, "stax, a number for a name");
        put_body("{\"method\":\"card\",\"card_exp\":\"1231\",\"person_name\":\"Ada Byron\",\"card_number\":", i, "}",
                 &request);
        asked(&request);

        request.dialect = "sumup";
        request.target.ptr = "/v0.1/customers/c-1/payment-instruments";
        request.target.len = 39;
        put_body("{\"type\":\"card\",\"card\":{\"name\":\"A\",\"expiry_year\":\"31\",\"expiry_month\":\"12\","
                 "\"cvv\":\"123\",\"number\":\"", i, "\"}}", &request);
        must(asked(&request) == 404 || !is_first ? 0 : 1, 0, "sumup, no such customer");
        put_body("{\"type\":\"card\",\"card\":{\"name\":\"A\",\"expiry_year\":\"31\",\"cvv\":\"", i, "\"", &request);
        must(asked(&request) == 400 ? 0 : 1, 0, "sumup, half a body");

        request.dialect = "pace";
        request.target.ptr = "/payment-methods/creditcard";
        request.target.len = 27;
        request.headers.ptr = "Content-Type: application/vnd.api+json\r\n";
        request.headers.len = 40;
        put_body("{\"data\":{\"type\":\"paymentMethod\",\"attributes\":{\"kind\":\"creditcard\",\"cardToken\":\"", i,
                 "\"}}}", &request);
        must(asked(&request) / 100 == 4 ? 0 : 1, 0, "pace, a number for a token");
        request.headers.len = 0;
    }
}

static void open_vault(void)
{
    panseal_open_options how;
    PANSEAL_INIT(how);
    PANSEAL_INIT(err);
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = url;
    how.root = root;
    how.actor = "residue";
    must(panseal_vault_open(&how, &vault, &err), PANSEAL_OK, "open");
}

static void reopen(void)
{
    tokenize();
    must(panseal_vault_close(vault), PANSEAL_OK, "close");
    open_vault();
    detokenize_with(vault);
}

/* ---- the tokenizer: the fourth number is of a network without a check digit, which "ff1" refuses ---- */

static void open_tokenizer(const char *scheme)
{
    panseal_open_options how;
    PANSEAL_INIT(how);
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = keyring;
    how.root = root;
    how.scheme = scheme;
    must(panseal_tokenizer_open(&how, &tokenizer, &err), PANSEAL_OK, "open a tokenizer");
}

static panseal_status with_ff1(int which, int is_ff1)
{
    return is_ff1 && which == 3 ? PANSEAL_E_NETWORK : PANSEAL_OK;
}

static void make_tokens(int is_ff1)
{
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text number = text(&secrets.number[i]);
        token_len[i] = 0;
        must(panseal_tokenizer_tokenize(tokenizer, number.ptr, number.len, token[i], sizeof token[i], &token_len[i], &err),
             with_ff1(i, is_ff1), "tokenize");
    }
}

static void read_tokens(void)
{
    size_t len;
    for (int i = 0; i < NUMBERS; ++i) {
        if (token_len[i] > 0) {
            must(panseal_tokenizer_detokenize(tokenizer, token[i], token_len[i], NULL, secrets.out, 11, &len, &err),
                 PANSEAL_E_BUFFER, "detokenize, no room");
            must(panseal_tokenizer_detokenize(tokenizer, token[i], token_len[i], NULL, secrets.out, sizeof secrets.out,
                                              &len, &err), PANSEAL_OK, "detokenize");
            must(len == secrets.number[i].len ? PANSEAL_OK : PANSEAL_E_INTERNAL, PANSEAL_OK, "the number");
        }
    }
}

static void there_and_back(const char *scheme)
{
    int is_ff1 = scheme[0] == 'f';
    open_tokenizer(scheme);
    make_tokens(is_ff1);
    read_tokens();
    must(panseal_tokenizer_rotate(tokenizer, NULL, &err), PANSEAL_OK, "rotate");
    read_tokens();
    make_tokens(is_ff1);
    read_tokens();
}

static void tokenizer_ff1(void)
{
    there_and_back("ff1:0+4");
}

static void tokenizer_siv(void)
{
    there_and_back("siv");
}

static void tokenizer_letters(void)
{
    there_and_back("siv:letters");
}

static void tokenizer_mac(void)
{
    size_t len;
    open_tokenizer("mac");
    make_tokens(0);
    must(panseal_tokenizer_detokenize(tokenizer, token[0], token_len[0], NULL, secrets.out, sizeof secrets.out, &len,
                                      &err), PANSEAL_E_IRREVERSIBLE, "detokenize");
}

static void tokenizer_refused(void)
{
    panseal_text wrong = text(&secrets.wrong);
    panseal_expect expect;
    uint32_t shapes;
    size_t len;
    open_tokenizer("ff1:0+4");
    make_tokens(1);
    must(panseal_tokenizer_tokenize(tokenizer, wrong.ptr, wrong.len, token[4], sizeof token[4], &len, &err),
         PANSEAL_E_LUHN, "tokenize a wrong number");
    must(panseal_tokenizer_tokenize(tokenizer, wrong.ptr, wrong.len, token[4], 3, &len, &err), PANSEAL_E_LUHN,
         "tokenize a wrong number, no room");
    PANSEAL_INIT(expect);
    expect.last4.ptr = "xxxx";
    expect.last4.len = 4;
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text number = text(&secrets.number[i]), name = text(&secrets.name[i]);
        if (i != 3) {
            must(panseal_tokenizer_detokenize(tokenizer, number.ptr, number.len, NULL, secrets.out, sizeof secrets.out,
                                              &len, &err), PANSEAL_E_TOKEN, "detokenize a number");
            must(panseal_tokenizer_detokenize(tokenizer, token[i], token_len[i], &expect, secrets.out,
                                              sizeof secrets.out, &len, &err), PANSEAL_E_TOKEN, "not as expected");
        }
        must(panseal_tokenizer_tokenize(tokenizer, name.ptr, name.len, token[4], sizeof token[4], &len, &err),
             PANSEAL_E_CHARSET, "tokenize a name");
        must(panseal_classify(number.ptr, number.len, &shapes, NULL), PANSEAL_OK, "classify");
    }
}

/* The numbers one by one, as columns of their own width; then all of them, with what lies between them. */
static void tokenizer_many_of(const char *scheme)
{
    enum { ROWS = 2 * NUMBERS - 1 };
    int is_ff1 = scheme[0] == 'f';
    static char rows[ROWS * PANSEAL_TOKEN_MAX];
    uint32_t lengths[ROWS];
    panseal_status status[ROWS];
    int32_t offsets[ROWS + 1];
    panseal_column column;
    open_tokenizer(scheme);
    for (int i = 0; i < NUMBERS; ++i) {
        PANSEAL_INIT(column);
        column.data = secrets.number[i].bytes;
        column.data_len = column.width = secrets.number[i].len;
        column.count = 1;
        must(panseal_tokenizer_tokenize_many(tokenizer, &column, rows, PANSEAL_TOKEN_MAX, lengths, status, &err),
             PANSEAL_OK, "tokenize_many of one");
        must(status[0], with_ff1(i, is_ff1), "the row");
        offsets[2 * i] = (int32_t)(i * (int)sizeof(struct text)) + 1;
        offsets[2 * i + 1] = offsets[2 * i] + secrets.number[i].len;
    }
    PANSEAL_INIT(column);
    column.data = (const char *)&secrets;
    column.data_len = sizeof secrets.number;
    column.offsets = offsets;
    column.count = ROWS;
    must(panseal_tokenizer_tokenize_many(tokenizer, &column, rows, PANSEAL_TOKEN_MAX, lengths, status, &err), PANSEAL_OK,
         "tokenize_many");
    PANSEAL_INIT(column);
    column.data = rows;
    column.data_len = sizeof rows;
    column.width = PANSEAL_TOKEN_MAX;
    column.count = ROWS;
    must(panseal_tokenizer_detokenize_many(tokenizer, &column, NULL, NULL, (char *)secrets.work, 19, lengths, status,
                                           &err), PANSEAL_OK, "detokenize_many");
    for (int i = 0; i < ROWS; ++i) {
        must(status[i], i % 2 == 0 && with_ff1(i / 2, is_ff1) == PANSEAL_OK ? PANSEAL_OK : PANSEAL_E_TOKEN, "a row");
    }
}

static void tokenizer_many_ff1(void)
{
    tokenizer_many_of("ff1:0+4");
}

static void tokenizer_many_siv(void)
{
    tokenizer_many_of("siv:letters");
}

static void tokenizer_life(void)
{
    char room[4 * PANSEAL_TOKEN_MAX];
    size_t len, count;
    open_tokenizer("siv");
    make_tokens(0);
    must(panseal_tokenizer_rotate(tokenizer, NULL, &err), PANSEAL_OK, "rotate");
    for (int i = 0; i < NUMBERS; ++i) {
        panseal_text number = text(&secrets.number[i]);
        must(panseal_tokenizer_candidates(tokenizer, number.ptr, number.len, room, sizeof room, &len, &count, &err),
             PANSEAL_OK, "candidates");
        must(panseal_tokenizer_retokenize(tokenizer, token[i], token_len[i], NULL, token[i], sizeof token[i], &len, &err),
             PANSEAL_OK, "retokenize");
    }
    must(panseal_tokenizer_destroy(tokenizer, 1, PANSEAL_TOKENS_ARE_GONE, &err), PANSEAL_OK, "destroy");
    must(panseal_tokenizer_change_root(tokenizer, root, NULL, NULL, &err), PANSEAL_OK, "change_root");
    must(panseal_tokenizer_refresh(tokenizer, NULL, &err), PANSEAL_OK, "refresh");
    must(panseal_tokenizer_status(tokenizer, NULL, NULL, 0, &count, &err), PANSEAL_OK, "status");
    read_tokens();
}

static const struct path {
    const char *name;
    void (*run)(void);
    int needs_vault;
} paths[] = {
    {"check-good", check_good, 0},
    {"check-bad-luhn", check_bad_luhn, 0},
    {"check-typed", check_typed, 0},
    {"check-all-wrong", check_all_wrong, 0},
    {"mask", mask, 0},
    {"display", display, 0},
    {"check-many", check_many, 0},
    {"keyed", keyed, 0},
    {"network", network, 0},
    {"holder", holder, 0},
    {"tracks", tracks, 0},
    {"chip", chip, 0},
    {"messages", messages, 0},
    {"scan", scan, 0},
    {"stream", stream, 0},
    {"tokenize", tokenize, 1},
    {"tokenize-hundred", tokenize_hundred, 1},
    {"tokenize-refused", tokenize_refused, 1},
    {"tokenize-lookup", lookup, 1},
    {"tokenize-detokenize", detokenize, 1},
    {"detokenize-no-room", detokenize_no_room, 1},
    {"detokenize-wrong-token", detokenize_wrong_token, 1},
    {"merchant", merchant, 1},
    {"deactivate", deactivate, 1},
    {"batch", batch, 1},
    {"instruments", instruments, 1},
    {"change-keys", change_keys, 1},
    {"dialects", dialects, 1},
    {"reopen", reopen, 1},
    {"tokenizer-ff1", tokenizer_ff1, 1},
    {"tokenizer-siv", tokenizer_siv, 1},
    {"tokenizer-letters", tokenizer_letters, 1},
    {"tokenizer-mac", tokenizer_mac, 1},
    {"tokenizer-refused", tokenizer_refused, 1},
    {"tokenizer-many-ff1", tokenizer_many_ff1, 1},
    {"tokenizer-many-siv", tokenizer_many_siv, 1},
    {"tokenizer-life", tokenizer_life, 1},
};

static const struct path *chosen;

/* ---- planted leaks: every form that the parent looks for, made here a second time ---- */

enum { PLANT_ROOM = 32 * 1024, PLANT_FROM = 64 /* malloc writes over the first bytes of a freed block */ };

static unsigned char *put(unsigned char *at, const unsigned char *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len + 8;
}

static unsigned char *put_wide(unsigned char *at, const struct text *text, int little)
{
    for (size_t i = 0; i < text->len; ++i) {
        at[2 * i + (little ? 0 : 1)] = (unsigned char)text->bytes[i];
        at[2 * i + (little ? 1 : 0)] = 0;
    }
    return at + 2 * (size_t)text->len + 8;
}

static unsigned char *put_u64(unsigned char *at, uint64_t value, int little)
{
    for (int i = 0; i < 8; ++i) {
        at[little ? i : 7 - i] = (unsigned char)(value >> 8 * i);
    }
    return at + 16;
}

/* Base64 of `before` bytes of something else, the text, and a quotation mark. */
static unsigned char *put_base64(unsigned char *at, const struct text *text, size_t before)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char plain[48] = "xx";
    size_t len = before + text->len + 1;
    memcpy(plain + before, text->bytes, text->len);
    plain[len - 1] = '"';
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)plain[i] << 16 | (uint32_t)plain[i + 1] << 8 | plain[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) {
            *at++ = (unsigned char)alphabet[group >> shift & 63];
        }
    }
    return at + 8;
}

static unsigned char *put_text(unsigned char *at, const struct text *text)
{
    static const char hex[] = "0123456789abcdef";
    at = put(at, (const unsigned char *)text->bytes, text->len);
    at = put_wide(at, text, 1);
    at = put_wide(at, text, 0);
    for (size_t before = 0; before < 3; ++before) {
        at = put_base64(at, text, before);
    }
    for (size_t i = 0; i < text->len; ++i) {
        *at++ = (unsigned char)hex[(unsigned char)text->bytes[i] >> 4];
        *at++ = (unsigned char)hex[text->bytes[i] & 15];
    }
    at += 8;
    for (size_t i = 0; i < text->len; ++i) {
        *at++ = (unsigned char)(text->bytes[i] >= 'A' && text->bytes[i] <= 'Z' ? text->bytes[i] | 32 : text->bytes[i]);
    }
    return at + 8;
}

static unsigned char *put_number(unsigned char *at, const struct text *number)
{
    uint64_t value = 0, rank = 0, power = 1;
    for (size_t i = 0; i < number->len; ++i) {
        at[i] = (unsigned char)(number->bytes[i] - '0');
        value = 10 * value + at[i];
    }
    at += number->len + 8;
    for (unsigned first = 0; first < 2; ++first) {
        for (unsigned i = first; i + 1 < number->len; i += 2) {
            *at++ = (unsigned char)((number->bytes[i] - '0') << 4 | (number->bytes[i + 1] - '0'));
        }
        at += 8;
    }
    for (unsigned k = 0; k < number->len; ++k, power *= 10) {
        rank += k < 12 ? 0 : power;
    }
    rank += value;
    for (int little = 0; little < 2; ++little) {
        at = put_u64(at, value, little);
        at = put_u64(at, rank, little);
    }
    return put_text(at, number);
}

/* The text of the root key file, and the key itself. */
static unsigned char *put_root(unsigned char *at)
{
    int file = open(root + strlen("file:"), O_RDONLY);
    if (file < 0 || read(file, at, 64) != 64 || close(file) != 0) {
        must(0, 1, "reading the root key");
    }
    for (int i = 0; i < 64; ++i) {
        int nibble = at[i] <= '9' ? at[i] - '0' : at[i] - 'a' + 10;
        at[72 + i / 2] = (unsigned char)(i % 2 == 0 ? nibble << 4 : at[72 + i / 2] | nibble);
    }
    return at + 72 + 32 + 8;
}

__attribute__((noinline)) static void plant(unsigned char *at)
{
    at += PLANT_FROM;
    for (int i = 0; i < NUMBERS; ++i) {
        at = put_number(at, &secrets.number[i]);
        at = put_text(at, &secrets.name[i]);
    }
    at = put_number(at, &secrets.wrong);
    at = put_text(at, &secrets.typed);
    if (chosen->needs_vault) {
        put_root(at);
    }
}

/* The plant lies at the far end of the frame, where the next calls do not reach. */
__attribute__((noinline)) static void plant_on_stack(void)
{
    unsigned char frame[PLANT_ROOM];
    plant(frame);
}

static void leak(const char *place)
{
    unsigned char *block;
    if (strcmp(place, "stack") == 0) {
        plant_on_stack();
    } else if (strcmp(place, "none") != 0) {
        block = malloc(PLANT_ROOM);
        if (block == NULL) {
            abort();
        }
        plant(block);
        if (strcmp(place, "freed") == 0) {
            free(block);
        }
    }
}

/* ---- */

static void *run_chosen(void *unused)
{
    chosen->run();
    return unused;
}

static void read_secrets(void)
{
    size_t wanted = offsetof(struct secrets, out), have = 0;
    while (have < wanted) {
        ssize_t got = read(STDIN_FILENO, (char *)&secrets + have, wanted - have);
        if (got <= 0) {
            must(0, 1, "reading the secrets");
        }
        have += (size_t)got;
    }
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc == 2 && strcmp(argv[1], "paths") == 0) {
        for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
            printf("%s\n", paths[i].name);
        }
        return 0;
    }
    if (argc != 7) {
        return 2;
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
        if (strcmp(argv[1], paths[i].name) == 0) {
            chosen = &paths[i];
        }
    }
    if (chosen == NULL) {
        return 2;
    }
    snprintf(url, sizeof url, "sqlite:%s/cards.db", argv[6]);
    snprintf(root, sizeof root, "file:%s/cards.root", argv[6]);
    snprintf(keyring, sizeof keyring, "%s/pos.keyring", argv[6]);
    if (chosen->needs_vault) {
        must(panseal_root_create(root, NULL), PANSEAL_OK, "root_create");
        open_vault();
    }
    PANSEAL_INIT(err);
    dprintf(STDOUT_FILENO, "buffer %p %p\nready\n", (void *)&secrets, (void *)(&secrets + 1));
    read_secrets();
    if (strcmp(argv[4], "thread") == 0) {
        if (pthread_create(&thread, NULL, run_chosen, NULL) != 0 || pthread_join(thread, NULL) != 0) {
            must(0, 1, "a thread");
        }
    } else {
        chosen->run();
    }
    leak(argv[5]);
    if (strcmp(argv[3], "close") == 0 && chosen->needs_vault) {
        must(panseal_vault_close(vault), PANSEAL_OK, "close");
        must(panseal_tokenizer_close(tokenizer), PANSEAL_OK, "close the tokenizer");
    }
    if (strcmp(argv[2], "wipe") == 0) {
        panseal_wipe(&secrets, sizeof secrets);
    }
    raise(SIGSTOP);
    return 0;
}
