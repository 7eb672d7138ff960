/* See calls.h. What is large is static: a test measures how much stack the calls take below these frames. */
#define _GNU_SOURCE
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBER "4242424242424242"
#define TRACK2 NUMBER "=30121010000012345"
#define PACKED_NUMBER "\x42\x42\x42\x42\x42\x42\x42\x42"
#define PACKED_TRACK2 PACKED_NUMBER "\xd3\x01\x21\x01\x12\x34\x5f"
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define CHARS(text) text, sizeof(text) - 1
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What a call gave is not what it should give. */
enum { WRONG = -1 };

/* Rows of a batch, and of a page; more epochs than all the calls make. */
enum { ROWS = 40, PAGE = 8, EPOCHS = 8192 };

static panseal_vault *vault;
static panseal_tokenizer *siv, *ff1;
static panseal_scanner *scanner;
static panseal_instrument known, other;
panseal_error err;
static char out[PANSEAL_REPLY_MAX], name[64], siv_token[PANSEAL_TOKEN_MAX + 1], ff1_token[PANSEAL_TOKEN_MAX + 1];
static size_t len, count, end;
static uint32_t epoch;
static const char *roots[] = {"file:a.root", "file:b.root"};
static int root, ring_root;

const char *verb = "", *manner = "";
long point;

int complaints;

void complain(const char *why)
{
    printf("%s, %s %ld: %s\n", verb, manner, point, why);
    fflush(stdout);
    ++complaints;
}

void must(panseal_status status, const char *what)
{
    if (status != PANSEAL_OK) {
        char why[160];
        snprintf(why, sizeof why, "%s answered %d", what, (int)status);
        complain(why);
        _exit(1);
    }
}

static panseal_text text(const char *from)
{
    panseal_text given;
    given.ptr = from;
    given.len = strlen(from);
    return given;
}

static panseal_card card(void)
{
    panseal_card made;
    PANSEAL_INIT(made);
    made.number = text(NUMBER);
    made.name = text("ADA BYRON");
    made.expiry_month = 12;
    made.expiry_year = 2040;
    return made;
}

/* A call, and what must hold once it was done. */
static panseal_status answer;
#define RIGHT(call, is_right) ((answer = (call)) == PANSEAL_OK && !(is_right) ? (panseal_status)WRONG : answer)

static panseal_open_options how(const char *url, const char *scheme)
{
    panseal_open_options made;
    PANSEAL_INIT(made);
    made.flags = PANSEAL_OPEN_CREATE;
    made.url = url;
    made.root = roots[scheme == NULL ? root : ring_root];
    made.scheme = scheme;
    return made;
}

/* Where the cards are. */
static const char *place(void)
{
    const char *given = getenv("PANSEAL_TEST_URL");
    return given == NULL ? "sqlite:cards.db" : given;
}

static panseal_column column(const char *rows, size_t width)
{
    panseal_column made;
    PANSEAL_INIT(made);
    made.width = (uint32_t)width;
    made.data = rows;
    made.data_len = ROWS * width;
    made.count = ROWS;
    return made;
}

static const char *many(const char *of, size_t width)
{
    static char rows[ROWS * PANSEAL_TOKEN_MAX];
    for (size_t row = 0; row < ROWS; ++row) {
        memcpy(rows + row * width, of, width);
    }
    return rows;
}

/* ---- library, cards, readers, scanner ---- */

static panseal_status names(void)
{
    panseal_wipe(out, sizeof out);
    panseal_struct_init(&err, sizeof err);
    return RIGHT(PANSEAL_OK, panseal_abi() == PANSEAL_ABI && panseal_version() != NULL && panseal_has_feature("ff1") == 1
                                 && panseal_status_text(PANSEAL_E_LUHN) != NULL && panseal_param_name(1) != NULL
                                 && panseal_network_name(1) != NULL && panseal_table_version() > 0
                                 && panseal_table_date() != NULL);
}

static panseal_status check(void)
{
    panseal_card given = card();
    static panseal_card_info info;
    PANSEAL_INIT(info);
    return RIGHT(panseal_card_check(&given, &info, &err), info.number_length == 16);
}

static panseal_status check_many(void)
{
    static panseal_status status[ROWS];
    panseal_column rows = column(many(NUMBER, 16), 16);
    return RIGHT(panseal_card_check_many(&rows, status, NULL, NULL, NULL, &err), status[ROWS - 1] == PANSEAL_OK);
}

static panseal_status mask(void)
{
    return panseal_card_mask(CHARS(NUMBER), 0, out, sizeof out, &len);
}

static panseal_status group(void)
{
    return panseal_card_group(CHARS(NUMBER), out, sizeof out, &len);
}

static panseal_status truncate_number(void)
{
    return panseal_card_truncate(CHARS(NUMBER), 6, 4, out, sizeof out, &len);
}

static panseal_status network(void)
{
    static panseal_network_info info;
    PANSEAL_INIT(info);
    return panseal_card_network(CHARS(NUMBER), BYTES("\xa0\0\0\0\x03\x10\x10"), 0, &info, &err);
}

static panseal_status aid(void)
{
    return RIGHT(PANSEAL_OK, panseal_aid_network(BYTES("\xa0\0\0\0\x03\x10\x10")) > 0);
}

static panseal_status partial(void)
{
    panseal_partial found;
    PANSEAL_INIT(found);
    return panseal_card_partial(CHARS("4242"), &found, &err);
}

static int32_t month, year;

static panseal_status expiry(void)
{
    panseal_status status = panseal_expiry_parse(CHARS("12/30"), 0, &month, &year);
    return status != PANSEAL_OK ? status : panseal_expiry_text(12, 2030, 1, out, sizeof out, &len);
}

static panseal_status holder(void)
{
    panseal_holder parts;
    panseal_holder_parts given;
    panseal_status status;
    PANSEAL_INIT(parts);
    PANSEAL_INIT(given);
    given.surname = text("Byron");
    status = panseal_holder_parse(CHARS("BYRON/ADA A.LADY"), &parts, &err);
    status = status != PANSEAL_OK ? status : panseal_holder_text(CHARS("Ada Byron"), out, sizeof out, &len);
    return status != PANSEAL_OK ? status : panseal_holder_write(&given, out, sizeof out, &len, &err);
}

static panseal_status track(void)
{
    static panseal_track found;
    panseal_status status;
    PANSEAL_INIT(found);
    status = panseal_track_parse(CHARS(";" TRACK2 "?"), &found, &err);
    status = status != PANSEAL_OK ? status : panseal_bcd_unpack(BYTES(PACKED_TRACK2), out, sizeof out, &len);
    return status != PANSEAL_OK
        ? status
        : panseal_iso8583_track2(BYTES("34" TRACK2), 0, out, sizeof out, &len, &found, &err);
}

static panseal_status chip(void)
{
    static panseal_track found;
    panseal_span span;
    panseal_status status;
    PANSEAL_INIT(found);
    status = panseal_chip_read(BYTES(PACKED_TRACK2), BYTES(PACKED_NUMBER), BYTES("\x30\x12\x31"), out, sizeof out, &len,
                               &found, &err);
    if (status == PANSEAL_OK) {
        status = panseal_chip_record(BYTES("\x70\x17\x57\x0f" PACKED_TRACK2 "\x5f\x24\x03\x30\x12\x31"), out, sizeof out,
                                     &len, &found, &err);
    }
    status = status != PANSEAL_OK ? status : panseal_tlv_find(BYTES("\x5f\x24\x03\x30\x12\x31"), 0x5f24, &span, &err);
    status = status != PANSEAL_OK ? status : panseal_chip_service_code(BYTES("\x02\x01"), out, sizeof out, &len);
    return status != PANSEAL_OK ? status : panseal_chip_sequence(BYTES("\x42"), &month);
}

static panseal_status iso8583(void)
{
    panseal_status status = panseal_iso8583_number(BYTES("16" NUMBER), 0, out, sizeof out, &len, &end, &err);
    return status != PANSEAL_OK ? status : panseal_iso8583_expiry(BYTES("3012"), 0, &month, &year, &err);
}

static const char prose[] = "paid with " NUMBER ", then with 5555 5555 5555 4444.";
static panseal_hit hits[PANSEAL_SCANNER_HITS];

static panseal_status scan(void)
{
    panseal_status status = panseal_scan(CHARS(prose), hits, COUNT(hits), &count, &end, &err);
    status = RIGHT(status, count == 2);
    return status != PANSEAL_OK ? status : panseal_holds_card_number(CHARS(prose), &month, &err);
}

static panseal_status scanner_open(void)
{
    return panseal_scanner_open(&scanner, &err);
}

static void close_scanner(void)
{
    MUST(panseal_scanner_close(scanner));
    scanner = NULL;
}

static void need_scanner(void)
{
    if (scanner == NULL) {
        MUST(scanner_open());
    }
}

static void no_scanner(void)
{
    scanner = NULL;
}

static panseal_status scanner_feed(void)
{
    return panseal_scanner_feed(scanner, CHARS(prose), hits, COUNT(hits), &count, &end, &err);
}

static panseal_status scanner_finish(void)
{
    return panseal_scanner_finish(scanner, hits, COUNT(hits), &count, &err);
}

static panseal_status scanner_close(void)
{
    return panseal_scanner_close(scanner);
}

/* ---- roots ---- */

static int is_there(const char *file)
{
    return access(file, F_OK) == 0;
}

static void no_root(void)
{
    unlink("new.root");
}

static panseal_status root_create(void)
{
    return panseal_root_create("file:new.root", &err);
}

static int no_root_yet(void)
{
    return !is_there("new.root");
}

static void no_halves(void)
{
    unlink("half.1");
    unlink("half.2");
}

static panseal_status root_split(void)
{
    return panseal_root_split("file:a.root", "components:half.1,half.2", &err);
}

static int no_halves_yet(void)
{
    return !is_there("half.1") && !is_there("half.2");
}

/* ---- tokenizer ---- */

static panseal_tokenizer *second;

static panseal_status tokenizer_open(void)
{
    panseal_open_options options = how("siv.keyring", "siv");
    return panseal_tokenizer_open(&options, &second, &err);
}

static void close_second(void)
{
    MUST(panseal_tokenizer_close(second));
}

static void open_second(void)
{
    MUST(tokenizer_open());
}

static panseal_status tokenizer_close(void)
{
    return panseal_tokenizer_close(second);
}

static panseal_status tokenize(void)
{
    return panseal_tokenizer_tokenize(siv, CHARS(NUMBER), out, sizeof out, &len, &err);
}

static panseal_status tokenize_ff1(void)
{
    return panseal_tokenizer_tokenize(ff1, CHARS(NUMBER), out, sizeof out, &len, &err);
}

/* The first call of a handle makes its keys ready. */
static panseal_status tokenize_first(void)
{
    return panseal_tokenizer_tokenize(second, CHARS(NUMBER), out, sizeof out, &len, &err);
}

static panseal_status detokenize(void)
{
    panseal_status status = panseal_tokenizer_detokenize(siv, siv_token, strlen(siv_token), NULL, out, sizeof out, &len,
                                                         &err);
    return RIGHT(status, len == 16 && memcmp(out, NUMBER, 16) == 0);
}

static panseal_status tokenize_many(void)
{
    static panseal_status status[ROWS];
    panseal_column rows = column(many(NUMBER, 16), 16);
    return RIGHT(panseal_tokenizer_tokenize_many(siv, &rows, out, 48, NULL, status, &err), status[0] == PANSEAL_OK);
}

static panseal_status detokenize_many(void)
{
    static panseal_status status[ROWS];
    panseal_column rows = column(many(siv_token, 48), 48);
    return RIGHT(panseal_tokenizer_detokenize_many(siv, &rows, NULL, NULL, out, 19, NULL, status, &err),
                 status[0] == PANSEAL_OK && memcmp(out, NUMBER, 16) == 0);
}

static panseal_status candidates(void)
{
    return panseal_tokenizer_candidates(siv, CHARS(NUMBER), out, sizeof out, &len, &count, &err);
}

static panseal_status retokenize(void)
{
    return panseal_tokenizer_retokenize(siv, siv_token, strlen(siv_token), NULL, out, sizeof out, &len, &err);
}

static void rotated(void)
{
    static panseal_epoch epochs[EPOCHS];
    PANSEAL_INIT(epochs[0]);
    MUST(panseal_tokenizer_status(ff1, NULL, epochs, COUNT(epochs), &count, NULL));
    for (size_t i = 0; i < count; ++i) {
        if (epochs[i].state == PANSEAL_EPOCH_DECRYPT_ONLY) {
            MUST(panseal_tokenizer_destroy(ff1, epochs[i].id, PANSEAL_TOKENS_ARE_GONE, NULL));
        }
        if (epochs[i].state != PANSEAL_EPOCH_ACTIVE && epochs[i].slot != 0) {
            MUST(panseal_tokenizer_free_slot(ff1, epochs[i].slot, NULL));
        }
    }
    MUST(panseal_tokenizer_tokenize(ff1, CHARS(NUMBER), ff1_token, sizeof ff1_token, &len, NULL));
    ff1_token[len] = 0;
}

static panseal_status ring_rotate(void)
{
    return panseal_tokenizer_rotate(ff1, NULL, &err);
}

static uint32_t slot_of_old;

static void old_epoch(void)
{
    static panseal_epoch epochs[EPOCHS];
    PANSEAL_INIT(epochs[0]);
    rotated();
    MUST(ring_rotate());
    MUST(panseal_tokenizer_status(ff1, NULL, epochs, COUNT(epochs), &count, NULL));
    for (size_t i = 0; i < count; ++i) {
        if (epochs[i].state == PANSEAL_EPOCH_DECRYPT_ONLY) {
            epoch = epochs[i].id;
            slot_of_old = epochs[i].slot;
        }
    }
}

static panseal_status ring_destroy(void)
{
    return panseal_tokenizer_destroy(ff1, epoch, PANSEAL_TOKENS_ARE_GONE, &err);
}

static void destroyed_epoch(void)
{
    old_epoch();
    MUST(ring_destroy());
}

static panseal_status free_slot(void)
{
    return panseal_tokenizer_free_slot(ff1, slot_of_old, &err);
}

static panseal_status ring_change_root(void)
{
    panseal_status status = panseal_tokenizer_change_root(siv, roots[!ring_root], NULL, NULL, &err);
    if (status == PANSEAL_OK) {
        ring_root = !ring_root;
    }
    return status;
}

static panseal_status ring_status(void)
{
    static panseal_epoch epochs[EPOCHS];
    PANSEAL_INIT(epochs[0]);
    return panseal_tokenizer_status(siv, NULL, epochs, COUNT(epochs), &count, &err);
}

static panseal_status ring_commitment(void)
{
    uint8_t commitment[PANSEAL_COMMITMENT_LEN];
    return panseal_tokenizer_commitment(siv, commitment, &err);
}

static panseal_status refresh(void)
{
    int32_t changed;
    return panseal_tokenizer_refresh(siv, &changed, &err);
}

static panseal_status classify(void)
{
    uint32_t shapes, slot;
    return panseal_classify(CHARS(NUMBER), &shapes, &slot);
}

/* ---- vault ---- */

static panseal_vault *second_vault;

static panseal_status vault_open(void)
{
    panseal_open_options options = how(place(), NULL);
    return panseal_vault_open(&options, &second_vault, &err);
}

static void close_second_vault(void)
{
    MUST(panseal_vault_close(second_vault));
}

static void open_second_vault(void)
{
    MUST(vault_open());
}

static void no_vault(void)
{
    unlink("new.db");
    unlink("new.db-wal");
    unlink("new.db-shm");
}

static panseal_status vault_create(void)
{
    panseal_open_options options = how("sqlite:new.db", NULL);
    return panseal_vault_open(&options, &second_vault, &err);
}

static panseal_status vault_close(void)
{
    return panseal_vault_close(second_vault);
}

static panseal_status merchant(void)
{
    return panseal_vault_merchant(vault, "m2", &second_vault, &err);
}

static panseal_instrument made[ROWS];

static panseal_status store(panseal_vault *into)
{
    panseal_card given = card();
    PANSEAL_INIT(made[0]);
    return panseal_vault_tokenize(into, &given, NULL, &made[0], &err);
}

static panseal_status vault_tokenize(void)
{
    return store(vault);
}

static panseal_status vault_tokenize_first(void)
{
    return store(second_vault);
}

static void delete_made(void)
{
    MUST(panseal_vault_delete(vault, made[0].token, strlen(made[0].token), NULL));
}

static void delete_if_there(void)
{
    panseal_status status = panseal_vault_delete(vault, made[0].token, strlen(made[0].token), NULL);
    if (status != PANSEAL_E_TOKEN) {
        MUST(status);
    }
}

static void delete_made_and_close(void)
{
    delete_made();
    close_second_vault();
}

static panseal_status vault_tokenize_many(void)
{
    static panseal_card cards[ROWS];
    static panseal_status status[ROWS];
    for (size_t row = 0; row < ROWS; ++row) {
        cards[row] = card();
    }
    PANSEAL_INIT(made[0]);
    return RIGHT(panseal_vault_tokenize_many(vault, cards, ROWS, NULL, 0, made, status, &err), status[0] == PANSEAL_OK);
}

static void delete_all_made(void)
{
    for (size_t row = 0; row < ROWS; ++row) {
        MUST(panseal_vault_delete(vault, made[row].token, strlen(made[row].token), NULL));
    }
}

static panseal_instrument seen;

static panseal_status look(const panseal_instrument *at)
{
    PANSEAL_INIT(seen);
    return panseal_vault_lookup(vault, at->token, strlen(at->token), &seen, &err);
}

static panseal_status lookup(void)
{
    return look(&known);
}

static panseal_status vault_detokenize(void)
{
    panseal_status status = panseal_vault_detokenize(vault, known.token, strlen(known.token), CHARS("a test"), out, 19,
                                                     &len, &err);
    return RIGHT(status, len == 16 && memcmp(out, NUMBER, 16) == 0);
}

static panseal_status deactivate(void)
{
    return panseal_vault_deactivate(vault, other.token, strlen(other.token), &err);
}

static panseal_status reactivate(void)
{
    return panseal_vault_reactivate(vault, other.token, strlen(other.token), &err);
}

static void make_active(void)
{
    MUST(reactivate());
}

static void make_inactive(void)
{
    MUST(deactivate());
}

static int is_active(void)
{
    MUST(look(&other));
    return seen.active != 0;
}

static int is_inactive(void)
{
    return !is_active();
}

static panseal_status list(void)
{
    static panseal_instrument page[PAGE];
    PANSEAL_INIT(page[0]);
    return RIGHT(panseal_vault_list(vault, NULL, page, PAGE, &count, &err), count == 2);
}

static panseal_status counted(void)
{
    uint64_t total;
    return RIGHT(panseal_vault_count(vault, NULL, &total, &err), total == 2);
}

static panseal_status find(void)
{
    static panseal_instrument page[PAGE];
    PANSEAL_INIT(page[0]);
    return RIGHT(panseal_vault_find(vault, CHARS(NUMBER), page, PAGE, &count, &err), count == 2);
}

static panseal_status holder_name(void)
{
    return panseal_vault_name(vault, known.token, strlen(known.token), out, sizeof out, &len, &err);
}

static panseal_status metadata(void)
{
    return RIGHT(panseal_vault_metadata(vault, known.token, strlen(known.token), out, sizeof out, &len, &err),
                 len == strlen("{\"a\":1}"));
}

static int32_t year_before;

static void know_the_year(void)
{
    MUST(look(&other));
    year_before = seen.expiry_year;
}

static panseal_status update(void)
{
    panseal_change change;
    PANSEAL_INIT(change);
    PANSEAL_INIT(made[0]);
    change.fields = PANSEAL_CHANGE_EXPIRY;
    change.expiry_month = 12;
    change.expiry_year = year_before == 2040 ? 2041 : 2040;
    return panseal_vault_update(vault, other.token, strlen(other.token), &change, &made[0], &err);
}

static int has_its_year(void)
{
    MUST(look(&other));
    return seen.expiry_year == year_before;
}

static void make_one(void)
{
    MUST(vault_tokenize());
}

static panseal_status delete_one(void)
{
    return panseal_vault_delete(vault, made[0].token, strlen(made[0].token), &err);
}

static void make_expired(void)
{
    panseal_card given = card();
    panseal_tokenize_options options;
    PANSEAL_INIT(options);
    PANSEAL_INIT(made[0]);
    options.keep_until = 1;
    MUST(panseal_vault_tokenize(vault, &given, &options, &made[0], NULL));
}

static panseal_status purge(void)
{
    panseal_purged purged;
    PANSEAL_INIT(purged);
    return panseal_vault_purge_expired(vault, NULL, NULL, &purged, &err);
}

static panseal_customer customer;

static void fresh_name(void)
{
    static unsigned serial;
    snprintf(name, sizeof name, "fresh-%u", ++serial);
}

static panseal_status customer_create(void)
{
    PANSEAL_INIT(customer);
    return panseal_vault_customer_create(vault, name, strlen(name), NULL, 0, CHARS("{\"a\":1}"), &customer, &err);
}

static int is_no_customer(void)
{
    PANSEAL_INIT(customer);
    return panseal_vault_customer_get(vault, name, strlen(name), &customer, NULL) == PANSEAL_E_TOKEN;
}

static panseal_status customer_delete(void)
{
    return panseal_vault_customer_delete(vault, name, strlen(name), &err);
}

static void make_customer(void)
{
    fresh_name();
    MUST(customer_create());
}

static void delete_customer(void)
{
    MUST(customer_delete());
}

static int is_customer(void)
{
    return !is_no_customer();
}

static panseal_status customer_get(void)
{
    PANSEAL_INIT(customer);
    return panseal_vault_customer_get(vault, CHARS("c-1"), &customer, &err);
}

static panseal_status customer_find(void)
{
    PANSEAL_INIT(customer);
    return panseal_vault_customer_find(vault, CHARS("r-1"), &customer, &err);
}

static panseal_status customer_data(void)
{
    return RIGHT(panseal_vault_customer_data(vault, CHARS("c-1"), out, sizeof out, &len, &err), len > 0);
}

static size_t data_before;

static void know_the_data(void)
{
    MUST(customer_data());
    data_before = len;
}

static panseal_status customer_update(void)
{
    const char *data = data_before == 7 ? "{\"a\":12}" : "{\"a\":1}";
    PANSEAL_INIT(customer);
    return panseal_vault_customer_update(vault, CHARS("c-1"), data, strlen(data), &customer, &err);
}

static int has_its_data(void)
{
    MUST(customer_data());
    return len == data_before;
}

static int32_t mark;

static void know_the_mark(void)
{
    MUST(customer_get());
    mark = customer.deleted_at != 0;
}

static panseal_status customer_mark(void)
{
    PANSEAL_INIT(customer);
    return panseal_vault_customer_mark(vault, CHARS("c-1"), !mark, &customer, &err);
}

static int has_its_mark(void)
{
    MUST(customer_get());
    return (customer.deleted_at != 0) == mark;
}

static panseal_status customer_list(void)
{
    static panseal_customer page[PAGE];
    PANSEAL_INIT(page[0]);
    return RIGHT(panseal_vault_customer_list(vault, NULL, 0, page, PAGE, &count, &err), count == 1);
}

static panseal_status rotate(void)
{
    return panseal_vault_rotate(vault, &epoch, &err);
}

static void destroy_the_old(void)
{
    panseal_vault_state state;
    static panseal_vault_epoch epochs[EPOCHS];
    PANSEAL_INIT(state);
    PANSEAL_INIT(epochs[0]);
    MUST(panseal_vault_rewrap(vault, NULL, NULL, NULL, NULL, NULL, NULL));
    MUST(panseal_vault_status(vault, &state, epochs, COUNT(epochs), &count, NULL));
    for (size_t i = 0; i < count; ++i) {
        if (epochs[i].state == PANSEAL_EPOCH_DECRYPT_ONLY) {
            MUST(panseal_vault_destroy(vault, epochs[i].id, NULL));
        }
    }
}

static void make_old_rows(void)
{
    destroy_the_old();
    MUST(rotate());
}

static panseal_status rewrap(void)
{
    return panseal_vault_rewrap(vault, NULL, NULL, NULL, NULL, NULL, &err);
}

static void make_old_epoch(void)
{
    make_old_rows();
    MUST(rewrap());
    --epoch;
}

static panseal_status destroy(void)
{
    return panseal_vault_destroy(vault, epoch, &err);
}

static panseal_status destroy_damaged(void)
{
    uint64_t damaged;
    return panseal_vault_destroy_even_if_damaged(vault, epoch, NULL, NULL, &damaged, &err);
}

static panseal_status check_vault(void)
{
    uint64_t rows, damaged;
    return RIGHT(panseal_vault_check(vault, NULL, NULL, NULL, &rows, &damaged, &err), damaged == 0);
}

static panseal_status change_index(void)
{
    return panseal_vault_change_index(vault, NULL, NULL, NULL, NULL, NULL, &err);
}

static panseal_status change_root(void)
{
    panseal_status status = panseal_vault_change_root(vault, roots[!root], NULL, NULL, &err);
    if (status == PANSEAL_OK) {
        root = !root;
    }
    return status;
}

static panseal_vault_state state;

static panseal_status vault_status(void)
{
    static panseal_vault_epoch epochs[EPOCHS];
    PANSEAL_INIT(state);
    PANSEAL_INIT(epochs[0]);
    return panseal_vault_status(vault, &state, epochs, COUNT(epochs), &count, &err);
}

static panseal_status require_actor(void)
{
    return panseal_vault_require_actor(vault, 1, &err);
}

static int is_not_required(void)
{
    MUST(vault_status());
    return state.require_actor == 0;
}

static void require_nothing(void)
{
    MUST(panseal_vault_require_actor(vault, 0, NULL));
}

static panseal_status audit(void)
{
    static panseal_audit_line lines[PAGE];
    PANSEAL_INIT(lines[0]);
    return RIGHT(panseal_vault_audit(vault, NULL, lines, PAGE, &count, &err), count == PAGE);
}

static panseal_status verify_audit(void)
{
    static panseal_audit_report report;
    PANSEAL_INIT(report);
    return RIGHT(panseal_vault_verify_audit(vault, NULL, &report, &err), report.fault == 0);
}

static panseal_status prune_audit(void)
{
    uint64_t pruned;
    return panseal_vault_prune_audit(vault, 1, &pruned, &err);
}

static int32_t allow(void *userdata, const char *of, const char *actor, const char *kind, size_t rows)
{
    (void)userdata, (void)of, (void)actor, (void)kind, (void)rows;
    return 0;
}

static panseal_status guard(void)
{
    return panseal_vault_guard(vault, allow, NULL, &err);
}

/* ---- dialects ---- */

static panseal_status ask(const char *method, const char *target, const char *body)
{
    panseal_request request;
    panseal_response response;
    panseal_status status;
    PANSEAL_INIT(request);
    PANSEAL_INIT(response);
    request.flags = PANSEAL_REQUEST_TRUSTED;
    request.dialect = "webpay";
    request.method = text(method);
    request.target = text(target);
    request.body = text(body);
    status = panseal_vault_handle(vault, &request, &response, out, sizeof out, &len, &err);
    return status != PANSEAL_OK || response.failure == PANSEAL_OK ? RIGHT(status, response.status < 300)
                                                                  : response.failure;
}

static panseal_status handle(void)
{
    return ask("POST", "/v2/tokens",
               "{\"type\":\"card\",\"card\":{\"pan\":\"" NUMBER "\",\"expiration_date\":\"4012\"}}");
}

/* The newest of all but the two that stay. */
static void delete_what_was_asked_for(void)
{
    static panseal_instrument page[PAGE];
    PANSEAL_INIT(page[0]);
    MUST(panseal_vault_list(vault, NULL, page, PAGE, &count, NULL));
    for (size_t i = 0; i < count; ++i) {
        if (strcmp(page[i].token, known.token) != 0 && strcmp(page[i].token, other.token) != 0) {
            MUST(panseal_vault_delete(vault, page[i].token, strlen(page[i].token), NULL));
        }
    }
}

static panseal_grant grant_for(void)
{
    panseal_grant grant;
    PANSEAL_INIT(grant);
    grant.dialect = "sumup";
    grant.subject = text("user-1");
    grant.scopes = text("payment_instruments");
    return grant;
}

static panseal_status grant(void)
{
    panseal_grant given = grant_for();
    return panseal_vault_grant(vault, &given, out, sizeof out, &len, &err);
}

static panseal_status grant_signing(void)
{
    panseal_grant given = grant_for();
    given.dialect = "webpay";
    return panseal_vault_grant_signing(vault, &given, name, strlen(name), CHARS("qwert1234"), &err);
}

static void make_key(void)
{
    MUST(grant());
    memcpy(name, out, 20);
}

static panseal_status revoke_key(void)
{
    return panseal_vault_revoke(vault, name, 20, &err);
}

static panseal_status credentials(void)
{
    static panseal_credential page[PAGE];
    PANSEAL_INIT(page[0]);
    return panseal_vault_credentials(vault, NULL, 0, page, PAGE, &count, &err);
}

/* ---- the table ---- */

const struct verb verbs[] = {
    {"abi version has_feature status_text param_name network_name table_version table_date wipe struct_init", names},
    {"card_check", check},
    {"card_check_many", check_many},
    {"card_mask", mask},
    {"card_group", group},
    {"card_truncate", truncate_number},
    {"card_network", network},
    {"aid_network", aid},
    {"card_partial", partial},
    {"expiry_parse expiry_text", expiry},
    {"holder_parse holder_text holder_write", holder},
    {"track_parse bcd_unpack iso8583_track2", track},
    {"chip_read chip_record tlv_find chip_service_code chip_sequence", chip},
    {"iso8583_number iso8583_expiry", iso8583},
    {"scan holds_card_number", scan},
    {"scanner_open", scanner_open, .after = close_scanner},
    {"scanner_feed", scanner_feed, need_scanner},
    {"scanner_finish", scanner_finish, need_scanner},
    {"scanner_close", scanner_close, need_scanner, no_scanner},
    {"root_create", root_create, no_root, .undone = no_root_yet},
    {"root_split", root_split, no_halves, .undone = no_halves_yet},
    {"tokenizer_open", tokenizer_open, .after = close_second},
    {"tokenizer_close", tokenizer_close, open_second, .failed = close_second},
    {"tokenizer_tokenize", tokenize},
    {"tokenizer_tokenize", tokenize_ff1},
    {"tokenizer_detokenize", detokenize},
    {"tokenizer_tokenize_many", tokenize_many},
    {"tokenizer_detokenize_many", detokenize_many},
    {"tokenizer_candidates", candidates},
    {"tokenizer_retokenize", retokenize},
    {"tokenizer_rotate", ring_rotate, .after = rotated},
    {"tokenizer_destroy", ring_destroy, old_epoch, rotated},
    {"tokenizer_free_slot", free_slot, destroyed_epoch, rotated},
    {"tokenizer_change_root", ring_change_root},
    {"tokenizer_status", ring_status},
    {"tokenizer_commitment", ring_commitment},
    {"tokenizer_refresh", refresh},
    {"classify", classify},
    {"vault_open", vault_open, .after = close_second_vault},
    {"vault_open", vault_create, no_vault, close_second_vault},
    {"vault_close", vault_close, open_second_vault, .failed = close_second_vault},
    {"vault_merchant", merchant, .after = close_second_vault},
    {"vault_tokenize", vault_tokenize, .after = delete_made},
    {"vault_tokenize_many", vault_tokenize_many, .after = delete_all_made},
    {"vault_lookup", lookup},
    {"vault_detokenize", vault_detokenize},
    {"vault_deactivate", deactivate, make_active, .undone = is_active},
    {"vault_reactivate", reactivate, make_inactive, .undone = is_inactive},
    {"vault_list", list},
    {"vault_count", counted},
    {"vault_find", find},
    {"vault_name", holder_name},
    {"vault_metadata", metadata},
    {"vault_update", update, know_the_year, .undone = has_its_year},
    {"vault_delete", delete_one, make_one, .failed = delete_made},
    {"vault_purge_expired", purge, make_expired, .failed = delete_if_there, .in_pieces = 1},
    {"vault_customer_create", customer_create, fresh_name, delete_customer, is_no_customer},
    {"vault_customer_delete", customer_delete, make_customer, .undone = is_customer, .failed = delete_customer},
    {"vault_customer_get", customer_get},
    {"vault_customer_find", customer_find},
    {"vault_customer_data", customer_data},
    {"vault_customer_update", customer_update, know_the_data, .undone = has_its_data},
    {"vault_customer_mark", customer_mark, know_the_mark, .undone = has_its_mark},
    {"vault_customer_list", customer_list},
    {"vault_rotate", rotate, .after = destroy_the_old},
    {"vault_rewrap", rewrap, make_old_rows, .in_pieces = 1},
    {"vault_destroy", destroy, make_old_epoch},
    {"vault_destroy_even_if_damaged", destroy_damaged, make_old_epoch},
    {"vault_check", check_vault},
    {"vault_change_index", change_index, .in_pieces = 1},
    {"vault_change_root", change_root},
    {"vault_require_actor", require_actor, NULL, require_nothing, is_not_required},
    {"vault_status", vault_status},
    {"vault_audit", audit},
    {"vault_verify_audit", verify_audit},
    {"vault_prune_audit", prune_audit},
    {"vault_guard", guard},
    {"vault_handle", handle, .after = delete_what_was_asked_for},
    {"vault_grant", grant},
    {"vault_grant_signing", grant_signing, fresh_name},
    {"vault_revoke", revoke_key, make_key},
    {"vault_credentials", credentials},
    /* Calls on a handle that has not been used. */
    {"tokenizer_tokenize", tokenize_first, open_second, close_second, .failed = close_second},
    {"vault_tokenize", vault_tokenize_first, open_second_vault, delete_made_and_close, .failed = close_second_vault},
};

const size_t verb_count = COUNT(verbs);

/* As many cards as one call takes. */
static panseal_status tokenize_most(void)
{
    static panseal_card cards[PANSEAL_MANY_MAX];
    static panseal_status status[PANSEAL_MANY_MAX];
    for (size_t row = 0; row < PANSEAL_MANY_MAX; ++row) {
        cards[row] = card();
    }
    return panseal_vault_tokenize_many(vault, cards, PANSEAL_MANY_MAX, NULL, 0, NULL, status, &err);
}

const struct verb most = {"vault_tokenize_many", tokenize_most};

/* ---- what must hold ---- */

struct state look_at_all(void)
{
    struct state all;
    PANSEAL_INIT(state);
    MUST(panseal_vault_status(vault, &state, NULL, 0, &count, NULL));
    all.generation = state.generation;
    all.cards = state.cards;
    all.instruments = state.instruments;
    MUST(panseal_tokenizer_status(siv, &all.ring, NULL, 0, &count, NULL));
    MUST(panseal_tokenizer_status(ff1, &all.slots, NULL, 0, &count, NULL));
    return all;
}

int same(struct state one, struct state another)
{
    return one.generation == another.generation && one.ring == another.ring && one.slots == another.slots
        && one.cards == another.cards && one.instruments == another.instruments;
}

/* What was there before is there, for this handle and for one that is opened now. */
void nothing_is_lost(void)
{
    MUST(vault_detokenize());
    MUST(detokenize());
    MUST(find());
    MUST(verify_audit());
    open_second_vault();
    MUST(panseal_vault_detokenize(second_vault, known.token, strlen(known.token), CHARS("a test"), out, 19, &len, NULL));
    close_second_vault();
    open_second();
    close_second();
    MUST(panseal_tokenizer_detokenize(ff1, ff1_token, strlen(ff1_token), NULL, out, sizeof out, &len, NULL));
}

void make_all(void)
{
    panseal_open_options options;
    panseal_card given = card();
    panseal_tokenize_options keep;
    PANSEAL_INIT(err);
    MUST(panseal_root_create(roots[0], NULL));
    MUST(panseal_root_create(roots[1], NULL));
    options = how(place(), NULL);
    MUST(panseal_vault_open(&options, &vault, NULL));
    options = how("siv.keyring", "siv");
    MUST(panseal_tokenizer_open(&options, &siv, NULL));
    options = how("ff1.keyring", "ff1:0+4");
    MUST(panseal_tokenizer_open(&options, &ff1, NULL));
    PANSEAL_INIT(keep);
    keep.metadata = text("{\"a\":1}");
    PANSEAL_INIT(known);
    PANSEAL_INIT(other);
    MUST(panseal_vault_tokenize(vault, &given, &keep, &known, NULL));
    MUST(panseal_vault_tokenize(vault, &given, NULL, &other, NULL));
    MUST(panseal_vault_customer_create(vault, CHARS("c-1"), CHARS("r-1"), CHARS("{\"a\":1}"), NULL, NULL));
    MUST(tokenize());
    memcpy(siv_token, out, len);
    MUST(tokenize_ff1());
    memcpy(ff1_token, out, len);
}

void close_all(void)
{
    MUST(panseal_vault_close(vault));
    MUST(panseal_tokenizer_close(siv));
    MUST(panseal_tokenizer_close(ff1));
}
