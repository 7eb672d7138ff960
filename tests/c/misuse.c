/* Every function of the library, called wrongly in every way that comes to mind. A row names a function, what is wrong
 * with the call, and the code it must answer. After each wrong call
 *   - the outputs are as they were, and so are the inputs and the guards around the outputs,
 *   - err->code is the status, and there are violations only with PANSEAL_E_CARD,
 *   - not a byte of the vault's files has changed, and a token that was made before still gives its instrument.
 * Each failing row prints its name; the last line counts.
 *
 *     misuse DIRECTORY                                 the table; DIRECTORY holds other.db, somebody else's database
 *     misuse plant (overflow|leak|wipe|read)           a fault that address sanitizer must report
 *     misuse locked PATH                               asked by the table itself: see misuse_processes.c
 */
#include "misuse.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

const char *directory;
panseal_vault *good_vault;
panseal_instrument known, victim;
panseal_tokenizer *good_tokenizer;
char old_token[17];

static int passed, failed;

/* ---- the functions ---- */

static panseal_status run_card_check(struct call *c)
{
    return panseal_card_check(c->card, c->info, c->err);
}

static panseal_status run_card_mask(struct call *c)
{
    return panseal_card_mask(c->text.ptr, c->text.len, c->flags, c->out, c->cap, c->len);
}

static panseal_status run_root_create(struct call *c)
{
    return panseal_root_create(c->literal, c->err);
}

static panseal_status run_vault_open(struct call *c)
{
    return panseal_vault_open(c->how, c->vault_out, c->err);
}

static panseal_status run_vault_merchant(struct call *c)
{
    return panseal_vault_merchant(c->vault, c->literal, c->vault_out, c->err);
}

static panseal_status run_vault_tokenize(struct call *c)
{
    return panseal_vault_tokenize(c->vault, c->card, c->options, c->instrument, c->err);
}

static panseal_status run_vault_lookup(struct call *c)
{
    return panseal_vault_lookup(c->vault, c->text.ptr, c->text.len, c->instrument, c->err);
}

static panseal_status run_vault_detokenize(struct call *c)
{
    return panseal_vault_detokenize(c->vault, c->text.ptr, c->text.len, c->reason.ptr, c->reason.len, c->out, c->cap,
                                    c->len, c->err);
}

static panseal_status run_vault_deactivate(struct call *c)
{
    return panseal_vault_deactivate(c->vault, c->text.ptr, c->text.len, c->err);
}

static panseal_status run_vault_close(struct call *c)
{
    return panseal_vault_close(c->vault);
}

static panseal_status run_check_many(struct call *c)
{
    return panseal_card_check_many(c->column, c->status, c->networks, c->lengths, c->last4, c->err);
}

static panseal_status run_card_group(struct call *c)
{
    return panseal_card_group(c->text.ptr, c->text.len, c->out, c->cap, c->len);
}

static panseal_status run_card_truncate(struct call *c)
{
    return panseal_card_truncate(c->text.ptr, c->text.len, c->first, c->last, c->out, c->cap, c->len);
}

static panseal_status run_expiry_parse(struct call *c)
{
    return panseal_expiry_parse(c->text.ptr, c->text.len, c->form, c->month, c->year);
}

static panseal_status run_expiry_text(struct call *c)
{
    return panseal_expiry_text(c->month_in, c->year_in, c->form, c->out, c->cap, c->len);
}

static panseal_status run_holder_parse(struct call *c)
{
    return panseal_holder_parse(c->text.ptr, c->text.len, c->holder, c->err);
}

static panseal_status run_holder_text(struct call *c)
{
    return panseal_holder_text(c->text.ptr, c->text.len, c->out, c->cap, c->len);
}

static panseal_status run_holder_write(struct call *c)
{
    return panseal_holder_write(c->parts, c->out, c->cap, c->len, c->err);
}

static const uint8_t *raw(panseal_text text)
{
    return (const uint8_t *)text.ptr;
}

static panseal_status run_card_network(struct call *c)
{
    return panseal_card_network(c->text.ptr, c->text.len, raw(c->second), c->second.len, c->flags, c->network, c->err);
}

static panseal_status run_card_partial(struct call *c)
{
    return panseal_card_partial(c->text.ptr, c->text.len, c->partial, c->err);
}

static panseal_status run_track_parse(struct call *c)
{
    return panseal_track_parse(c->text.ptr, c->text.len, c->track, c->err);
}

static panseal_status run_bcd_unpack(struct call *c)
{
    return panseal_bcd_unpack(raw(c->text), c->text.len, c->out, c->cap, c->len);
}

static panseal_status run_chip_read(struct call *c)
{
    return panseal_chip_read(raw(c->text), c->text.len, raw(c->second), c->second.len, raw(c->third), c->third.len,
                             c->out, c->cap, c->len, c->track, c->err);
}

static panseal_status run_chip_record(struct call *c)
{
    return panseal_chip_record(raw(c->text), c->text.len, c->out, c->cap, c->len, c->track, c->err);
}

static panseal_status run_tlv_find(struct call *c)
{
    return panseal_tlv_find(raw(c->text), c->text.len, c->tag, c->span, c->err);
}

static panseal_status run_iso8583_number(struct call *c)
{
    return panseal_iso8583_number(raw(c->text), c->text.len, (uint32_t)c->form, c->out, c->cap, c->len, c->end, c->err);
}

static panseal_status run_iso8583_expiry(struct call *c)
{
    return panseal_iso8583_expiry(raw(c->text), c->text.len, (uint32_t)c->form, c->month, c->year, c->err);
}

static panseal_status run_iso8583_track2(struct call *c)
{
    return panseal_iso8583_track2(raw(c->text), c->text.len, (uint32_t)c->form, c->out, c->cap, c->len, c->track, c->err);
}

static panseal_status run_scan_text(struct call *c)
{
    return panseal_scan(c->text.ptr, c->text.len, c->hits, c->hits_cap, c->len, c->end, c->err);
}

static panseal_status run_root_split(struct call *c)
{
    return panseal_root_split(c->literal, c->second_literal, c->err);
}

static panseal_status run_classify(struct call *c)
{
    return panseal_classify(c->text.ptr, c->text.len, c->epoch, c->slot);
}

static panseal_status run_tokenizer_open(struct call *c)
{
    return panseal_tokenizer_open(c->how, c->tokenizer_out, c->err);
}

static panseal_status run_tokenizer_close(struct call *c)
{
    return panseal_tokenizer_close(c->tokenizer);
}

static panseal_status run_tokenizer_tokenize(struct call *c)
{
    return panseal_tokenizer_tokenize(c->tokenizer, c->text.ptr, c->text.len, c->out, c->cap, c->len, c->err);
}

static panseal_status run_tokenizer_detokenize(struct call *c)
{
    return panseal_tokenizer_detokenize(c->tokenizer, c->text.ptr, c->text.len, c->expect, c->out, c->cap, c->len, c->err);
}

static panseal_status run_tokenizer_tokenize_many(struct call *c)
{
    return panseal_tokenizer_tokenize_many(c->tokenizer, c->column, c->rows, c->stride, c->counts, c->status, c->err);
}

static panseal_status run_tokenizer_detokenize_many(struct call *c)
{
    return panseal_tokenizer_detokenize_many(c->tokenizer, c->column, c->last4_in, c->networks_in, c->rows, c->stride,
                                             c->counts, c->status, c->err);
}

static panseal_status run_tokenizer_candidates(struct call *c)
{
    return panseal_tokenizer_candidates(c->tokenizer, c->text.ptr, c->text.len, c->out, c->cap, c->len, c->count, c->err);
}

static panseal_status run_tokenizer_retokenize(struct call *c)
{
    return panseal_tokenizer_retokenize(c->tokenizer, c->text.ptr, c->text.len, c->expect, c->out, c->cap, c->len, c->err);
}

static panseal_status run_tokenizer_rotate(struct call *c)
{
    return panseal_tokenizer_rotate(c->tokenizer, c->epoch, c->err);
}

static panseal_status run_tokenizer_destroy(struct call *c)
{
    return panseal_tokenizer_destroy(c->tokenizer, c->first, c->flags, c->err);
}

static panseal_status run_tokenizer_free_slot(struct call *c)
{
    return panseal_tokenizer_free_slot(c->tokenizer, c->first, c->err);
}

static panseal_status run_tokenizer_change_root(struct call *c)
{
    return panseal_tokenizer_change_root(c->tokenizer, c->literal, c->root_fn, NULL, c->err);
}

static panseal_status run_tokenizer_status(struct call *c)
{
    return panseal_tokenizer_status(c->tokenizer, c->generation, c->epochs, c->epochs_cap, c->count, c->err);
}

static panseal_status run_tokenizer_commitment(struct call *c)
{
    return panseal_tokenizer_commitment(c->tokenizer, c->commitment, c->err);
}

static panseal_status run_tokenizer_refresh(struct call *c)
{
    return panseal_tokenizer_refresh(c->tokenizer, c->changed, c->err);
}

static panseal_status run_chip_service_code(struct call *c)
{
    return panseal_chip_service_code(raw(c->text), c->text.len, c->out, c->cap, c->len);
}

static panseal_status run_chip_sequence(struct call *c)
{
    return panseal_chip_sequence(raw(c->text), c->text.len, c->month);
}

static panseal_status run_holds_number(struct call *c)
{
    return panseal_holds_card_number(c->text.ptr, c->text.len, c->month, c->err);
}

static panseal_status run_scanner_feed(struct call *c)
{
    return panseal_scanner_feed(c->scanner, c->text.ptr, c->text.len, c->hits, c->hits_cap, c->len, c->end, c->err);
}

static panseal_status run_scanner_finish(struct call *c)
{
    return panseal_scanner_finish(c->scanner, c->hits, c->hits_cap, c->len, c->err);
}

static panseal_status run_scanner_close(struct call *c)
{
    return panseal_scanner_close(c->scanner);
}

const struct function card_check = {"panseal_card_check", run_card_check};
const struct function card_mask = {"panseal_card_mask", run_card_mask};
const struct function root_create = {"panseal_root_create", run_root_create};
const struct function vault_open = {"panseal_vault_open", run_vault_open};
const struct function vault_merchant = {"panseal_vault_merchant", run_vault_merchant};
const struct function vault_tokenize = {"panseal_vault_tokenize", run_vault_tokenize};
const struct function vault_lookup = {"panseal_vault_lookup", run_vault_lookup};
const struct function vault_detokenize = {"panseal_vault_detokenize", run_vault_detokenize};
const struct function vault_deactivate = {"panseal_vault_deactivate", run_vault_deactivate};
const struct function vault_close = {"panseal_vault_close", run_vault_close};
const struct function check_many = {"panseal_card_check_many", run_check_many};
const struct function card_group = {"panseal_card_group", run_card_group};
const struct function card_truncate = {"panseal_card_truncate", run_card_truncate};
const struct function expiry_parse = {"panseal_expiry_parse", run_expiry_parse};
const struct function expiry_text = {"panseal_expiry_text", run_expiry_text};
const struct function holder_parse = {"panseal_holder_parse", run_holder_parse};
const struct function holder_text = {"panseal_holder_text", run_holder_text};
const struct function holder_write = {"panseal_holder_write", run_holder_write};
const struct function card_network = {"panseal_card_network", run_card_network};
const struct function card_partial = {"panseal_card_partial", run_card_partial};
const struct function track_parse = {"panseal_track_parse", run_track_parse};
const struct function bcd_unpack = {"panseal_bcd_unpack", run_bcd_unpack};
const struct function chip_read = {"panseal_chip_read", run_chip_read};
const struct function chip_record = {"panseal_chip_record", run_chip_record};
const struct function tlv_find = {"panseal_tlv_find", run_tlv_find};
const struct function iso8583_number = {"panseal_iso8583_number", run_iso8583_number};
const struct function iso8583_expiry = {"panseal_iso8583_expiry", run_iso8583_expiry};
const struct function iso8583_track2 = {"panseal_iso8583_track2", run_iso8583_track2};
const struct function scan_text = {"panseal_scan", run_scan_text};
const struct function root_split = {"panseal_root_split", run_root_split};
const struct function classify = {"panseal_classify", run_classify};
const struct function tokenizer_open = {"panseal_tokenizer_open", run_tokenizer_open};
const struct function tokenizer_close = {"panseal_tokenizer_close", run_tokenizer_close};
const struct function tokenizer_tokenize = {"panseal_tokenizer_tokenize", run_tokenizer_tokenize};
const struct function tokenizer_detokenize = {"panseal_tokenizer_detokenize", run_tokenizer_detokenize};
const struct function tokenizer_tokenize_many = {"panseal_tokenizer_tokenize_many", run_tokenizer_tokenize_many};
const struct function tokenizer_detokenize_many = {"panseal_tokenizer_detokenize_many", run_tokenizer_detokenize_many};
const struct function tokenizer_candidates = {"panseal_tokenizer_candidates", run_tokenizer_candidates};
const struct function tokenizer_retokenize = {"panseal_tokenizer_retokenize", run_tokenizer_retokenize};
const struct function tokenizer_rotate = {"panseal_tokenizer_rotate", run_tokenizer_rotate};
const struct function tokenizer_destroy = {"panseal_tokenizer_destroy", run_tokenizer_destroy};
const struct function tokenizer_free_slot = {"panseal_tokenizer_free_slot", run_tokenizer_free_slot};
const struct function tokenizer_change_root = {"panseal_tokenizer_change_root", run_tokenizer_change_root};
const struct function tokenizer_status = {"panseal_tokenizer_status", run_tokenizer_status};
const struct function tokenizer_commitment = {"panseal_tokenizer_commitment", run_tokenizer_commitment};
const struct function tokenizer_refresh = {"panseal_tokenizer_refresh", run_tokenizer_refresh};
const struct function chip_service_code = {"panseal_chip_service_code", run_chip_service_code};
const struct function chip_sequence = {"panseal_chip_sequence", run_chip_sequence};
const struct function holds_number = {"panseal_holds_card_number", run_holds_number};
const struct function scanner_feed = {"panseal_scanner_feed", run_scanner_feed};
const struct function scanner_finish = {"panseal_scanner_finish", run_scanner_finish};
const struct function scanner_close = {"panseal_scanner_close", run_scanner_close};

static int reports(const struct call *c)
{
    static const struct function *const bare[] = {&card_mask,   &vault_close, &card_group,  &card_truncate,
                                                  &expiry_parse, &expiry_text, &holder_text, &bcd_unpack,
                                                  &chip_service_code, &chip_sequence, &scanner_close,
                                                  &classify, &tokenizer_close};
    for (size_t i = 0; i < sizeof bare / sizeof *bare; ++i) {
        if (c->function == bare[i]) {
            return 0;
        }
    }
    return 1;
}

/* ---- rows ---- */

__attribute__((format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    exit(3);
}

void *block(struct call *c, size_t size)
{
    for (int i = 0; i < BLOCKS; ++i) {
        if (c->blocks[i] == NULL) {
            c->blocks[i] = malloc(size);
            if (c->blocks[i] == NULL) {
                die("no memory for %zu bytes", size);
            }
            return c->blocks[i];
        }
    }
    die("too many blocks in a row");
    return NULL;
}

panseal_text given(struct call *c, const char *bytes, size_t len)
{
    panseal_text text;
    text.ptr = memcpy(block(c, len), bytes, len);
    text.len = len;
    return text;
}

panseal_text filled(struct call *c, char byte, size_t len)
{
    panseal_text text;
    text.ptr = memset(block(c, len), byte, len);
    text.len = len;
    return text;
}

const char *literal(struct call *c, char byte, size_t len)
{
    char *text = memset(block(c, len + 1), byte, len + 1);
    text[len] = 0;
    return text;
}

panseal_text bytes(const char *from, size_t len)
{
    panseal_text text;
    text.ptr = from;
    text.len = len;
    return text;
}

panseal_text words(const char *text)
{
    return bytes(text, strlen(text));
}

char *path_of(char room[512], const char *name)
{
    snprintf(room, 512, "%s/%s", directory, name);
    return room;
}

const char *url_of(const char *name)
{
    static char url[512];
    snprintf(url, sizeof url, "sqlite:%s/%s", directory, name);
    return url;
}

const char *root_of(const char *name)
{
    static char root[512];
    snprintf(root, sizeof root, "file:%s/%s", directory, name);
    return root;
}

panseal_open_options good_options(void)
{
    panseal_open_options how;
    PANSEAL_INIT(how);
    how.url = url_of("cards.db");
    how.root = root_of("cards.root");
    return how;
}

panseal_open_options good_tokenizer_options(void)
{
    static char keyring[512];
    panseal_open_options how;
    PANSEAL_INIT(how);
    how.url = path_of(keyring, "pos.keyring");
    how.root = root_of("cards.root");
    how.scheme = "ff1:0+4";
    return how;
}

#define GIVEN(bytes) given(c, bytes, sizeof bytes - 1)
#define TRACK2 NUMBER "=30121010000012345"
#define PACKED_NUMBER "\x42\x42\x42\x42\x42\x42\x42\x42"
#define PACKED_TRACK2 PACKED_NUMBER "\xd3\x01\x21\x01\x12\x34\x5f"

static const char *halves(void)
{
    static char uri[1100];
    snprintf(uri, sizeof uri, "components:%s/half.1,%s/half.2", directory, directory);
    return uri;
}

/* Open as long as the row. */
static panseal_scanner *row_scanner;

/* What the functions read that are about one format each. */
static void begin_format(struct call *c)
{
    const struct function *f = c->function;
    if (f == &check_many || f == &tokenizer_tokenize_many) {
        panseal_text rows = GIVEN(NUMBER NUMBER NUMBER);
        c->in.column.width = sizeof NUMBER - 1;
        c->in.column.data = rows.ptr;
        c->in.column.data_len = rows.len;
        c->in.column.count = ROWS;
    } else if (f == &card_mask || f == &card_group || f == &card_truncate || f == &card_network) {
        c->text = GIVEN(NUMBER);
        c->second = f == &card_network ? GIVEN("\xa0\0\0\0\x03\x10\x10") : c->second;
    } else if (f == &expiry_parse) {
        c->text = GIVEN("12/30");
    } else if (f == &expiry_text) {
        c->form = PANSEAL_EXPIRY_MMYY;
    } else if (f == &holder_parse) {
        c->text = GIVEN("BYRON/ADA A.LADY");
    } else if (f == &holder_text) {
        c->text = GIVEN("Ada Byron");
    } else if (f == &holder_write) {
        c->in.parts.surname = GIVEN("Byron");
        c->in.parts.first = GIVEN("Ada");
    } else if (f == &card_partial) {
        c->text = GIVEN("4242");
    } else if (f == &track_parse) {
        c->text = GIVEN(";" TRACK2 "?");
    } else if (f == &bcd_unpack) {
        c->text = GIVEN(PACKED_TRACK2);
    } else if (f == &chip_read) {
        c->text = GIVEN(PACKED_TRACK2);
        c->second = GIVEN(PACKED_NUMBER);
        c->third = GIVEN("\x30\x12\x31");
    } else if (f == &chip_record || f == &tlv_find) {
        c->text = GIVEN("\x70\x17\x57\x0f" PACKED_TRACK2 "\x5f\x24\x03\x30\x12\x31");
    } else if (f == &iso8583_number) {
        c->text = GIVEN("16" NUMBER);
    } else if (f == &iso8583_expiry) {
        c->text = GIVEN("3012");
    } else if (f == &iso8583_track2) {
        c->text = GIVEN("34" TRACK2);
    } else if (f == &tokenizer_detokenize_many) {
        char *rows = block(c, ROWS * 16);
        for (int row = 0; row < ROWS; ++row) {
            memcpy(rows + 16 * row, old_token, 16);
        }
        c->in.column.width = 16;
        c->in.column.data = rows;
        c->in.column.data_len = ROWS * 16;
        c->in.column.count = ROWS;
    } else if (f == &tokenizer_tokenize || f == &tokenizer_candidates || f == &classify) {
        c->text = GIVEN(NUMBER);
    } else if (f == &tokenizer_detokenize || f == &tokenizer_retokenize) {
        c->text = given(c, old_token, 16);
    } else if (f == &tokenizer_open) {
        c->in.how = good_tokenizer_options();
    } else if (f == &tokenizer_destroy || f == &tokenizer_free_slot) {
        c->first = 99;
    } else if (f == &tokenizer_change_root) {
        c->literal = root_of("cards.root");
    } else if (f == &root_split) {
        char path[512];
        unlink(path_of(path, "half.1"));
        unlink(path_of(path, "half.2"));
        c->literal = root_of("cards.root");
        c->second_literal = halves();
    } else if (f == &chip_service_code) {
        c->text = GIVEN("\x02\x01");
    } else if (f == &chip_sequence) {
        c->text = GIVEN("\x42");
    } else if (f == &scan_text || f == &holds_number || f == &scanner_feed || f == &scanner_finish || f == &scanner_close) {
        c->text = GIVEN("paid with " NUMBER ", then with 5555 5555 5555 4444.");
        if (panseal_scanner_open(&c->scanner, NULL) != PANSEAL_OK) {
            die("no scanner");
        }
        row_scanner = c->scanner;
    }
}

struct call *begin(const struct function *function)
{
    static struct call call;
    struct call *c = &call;
    for (int i = 0; i < BLOCKS; ++i) {
        free(c->blocks[i]);
    }
    memset(c, 0, sizeof *c);
    (void)panseal_scanner_close(row_scanner);
    row_scanner = NULL;
    c->function = function;

    PANSEAL_INIT(c->in.card);
    c->in.card.number = given(c, NUMBER, sizeof NUMBER - 1);
    PANSEAL_INIT(c->in.options);
    c->in.how = good_options();
    PANSEAL_INIT(c->in.column);
    PANSEAL_INIT(c->in.parts);
    PANSEAL_INIT(c->in.expect);
    PANSEAL_INIT(c->in.query);
    PANSEAL_INIT(c->in.change);
    PANSEAL_INIT(c->in.audit_query);
    PANSEAL_INIT(c->in.request);
    PANSEAL_INIT(c->in.grant);
    memset(&c->to, PATTERN, sizeof c->to);
    c->to.info.struct_size = sizeof c->to.info;
    c->to.instrument.struct_size = sizeof c->to.instrument;
    c->to.holder.struct_size = sizeof c->to.holder;
    c->to.network.struct_size = sizeof c->to.network;
    c->to.partial.struct_size = sizeof c->to.partial;
    c->to.track.struct_size = sizeof c->to.track;
    c->to.epochs[0].struct_size = sizeof c->to.epochs[0];
    c->to.purged.struct_size = sizeof c->to.purged;
    c->to.customer.struct_size = sizeof c->to.customer;
    c->to.state.struct_size = sizeof c->to.state;
    c->to.vault_epoch.struct_size = sizeof c->to.vault_epoch;
    c->to.line.struct_size = sizeof c->to.line;
    c->to.report.struct_size = sizeof c->to.report;
    c->to.response.struct_size = sizeof c->to.response;
    c->to.credential.struct_size = sizeof c->to.credential;
    c->to.err.struct_size = sizeof c->to.err;

    c->vault = good_vault;
    c->tokenizer = good_tokenizer;
    c->expect = &c->in.expect;
    c->rows = c->to.rows;
    c->stride = STRIDE;
    c->counts = c->to.counts;
    c->epochs = c->to.epochs;
    c->epochs_cap = EPOCHS;
    c->count = &c->to.count;
    c->generation = &c->to.generation;
    c->epoch = &c->to.epoch;
    c->slot = &c->to.slot;
    c->changed = &c->to.changed;
    c->commitment = c->to.commitment;
    c->tokenizer_out = &c->to.tokenizer;
    c->card = &c->in.card;
    c->options = &c->in.options;
    c->how = &c->in.how;
    c->reason = given(c, "a row", 5);
    c->info = &c->to.info;
    c->instrument = &c->to.instrument;
    c->out = c->to.text;
    c->cap = sizeof c->to.text;
    c->len = &c->to.len;
    c->vault_out = &c->to.vault;
    c->err = &c->to.err;
    c->literal = "m2";
    c->column = &c->in.column;
    c->parts = &c->in.parts;
    c->month_in = 12;
    c->year_in = 2030;
    c->first = 6;
    c->last = 4;
    c->tag = 0x5f24;
    c->holder = &c->to.holder;
    c->network = &c->to.network;
    c->partial = &c->to.partial;
    c->track = &c->to.track;
    c->span = &c->to.span;
    c->month = &c->to.month;
    c->year = &c->to.year;
    c->end = &c->to.end;
    c->hits = c->to.hits;
    c->hits_cap = HITS;
    c->status = c->to.status;
    c->networks = c->to.networks;
    c->lengths = c->to.lengths;
    c->last4 = c->to.last4;
    if (function == &vault_deactivate) {
        c->text = given(c, victim.token, strlen(victim.token));
    } else {
        c->text = given(c, known.token, strlen(known.token));
    }
    if (function == &root_create) {
        char path[512];
        unlink(path_of(path, "fresh.root"));
        c->literal = root_of("fresh.root");
    }
    begin_format(c);
    begin_vault(c);
    begin_dialect(c);
    return c;
}

/* What is wrong with the row, collected. */
static char complaint[512];

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
    size_t len = strlen(complaint);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint + len, sizeof complaint - len, format, arguments);
    va_end(arguments);
}

static void count(const char *function, const char *name, long at)
{
    if (complaint[0] == 0) {
        ++passed;
        return;
    }
    ++failed;
    if (at != 0) {
        printf("FAILED %s: %s [%ld]:%s\n", function, name, at, complaint);
    } else {
        printf("FAILED %s: %s:%s\n", function, name, complaint);
    }
    fflush(stdout);
}

int holds(const char *name, int condition)
{
    complaint[0] = 0;
    if (!condition) {
        complain(" does not hold");
    }
    count("condition", name, 0);
    return condition;
}

/* The vault's files stay open here: closing one would let go of the locks that SQLite holds on it in this process. */
static int files[2] = {-1, -1};

/* The keyring is a new file with every change. */
static uint64_t digest_of_keyring(uint64_t digest)
{
    char path[512];
    FILE *file = fopen(path_of(path, "pos.keyring"), "rb");
    int byte;
    if (file == NULL) {
        die("the keyring cannot be read");
    }
    while ((byte = getc(file)) != EOF) {
        digest = (digest ^ (unsigned)byte) * 0x100000001b3u;
    }
    fclose(file);
    return digest;
}

static uint64_t digest_of_files(void)
{
    uint64_t digest = 0xcbf29ce484222325u;
    for (int i = 0; i < 2; ++i) {
        uint64_t chunk[8192] = {0};
        off_t at = 0;
        ssize_t got;
        while ((got = pread(files[i], chunk, sizeof chunk, at)) > 0) {
            for (size_t k = 0; k < ((size_t)got + 7) / 8; ++k) {
                digest = (digest ^ chunk[k]) * 0x100000001b3u;
                digest ^= digest >> 32;
            }
            at += got;
        }
        if (got < 0) {
            die("the vault's files cannot be read");
        }
    }
    return digest_of_keyring(digest);
}

static void check_guards(const struct outputs *to)
{
    const unsigned char *guards[] = {to->before_info, to->before_instrument, to->before_text, to->before_len,
                                     to->before_vault, to->before_holder, to->before_network, to->before_partial,
                                     to->before_track, to->before_span, to->before_month, to->before_year,
                                     to->before_end, to->before_hits, to->before_status, to->before_networks,
                                     to->before_lengths, to->before_last4, to->before_rows, to->before_counts,
                                     to->before_epochs, to->before_count, to->before_generation, to->before_epoch,
                                     to->before_changed, to->before_commitment, to->before_tokenizer, to->before_purged, to->before_customer,
                                     to->before_state, to->before_vault_epoch, to->before_line, to->before_report,
                                     to->before_total,
                                     to->before_response, to->before_reply, to->before_credential, to->before_err, to->after_err};
    for (size_t i = 0; i < sizeof guards / sizeof *guards; ++i) {
        for (int k = 0; k < GUARD; ++k) {
            if (guards[i][k] != PATTERN) {
                complain(" guard %zu was written to;", i);
                return;
            }
        }
    }
}

static void check_err(const struct call *c, panseal_status status)
{
    panseal_error err;
    memcpy(&err, c->err, sizeof err);
    if (err.code != status) {
        complain(" err->code is %d;", (int)err.code);
    }
    if (err.violation_count > PANSEAL_VIOLATION_MAX || (err.violation_count == 0) != (status != PANSEAL_E_CARD)) {
        complain(" %u violations;", (unsigned)err.violation_count);
    }
}

static void check_vault(void)
{
    panseal_instrument seen;
    panseal_status status;
    char number[PANSEAL_PAN_MAX];
    size_t len;
    PANSEAL_INIT(seen);
    status = panseal_vault_lookup(good_vault, known.token, strlen(known.token), &seen, NULL);
    if (status != PANSEAL_OK || memcmp(&seen, &known, sizeof seen) != 0) {
        complain(" the vault has changed;");
    }
    status = panseal_tokenizer_detokenize(good_tokenizer, old_token, 16, NULL, number, sizeof number, &len, NULL);
    if (status != PANSEAL_OK || len != 16 || memcmp(number, NUMBER, 16) != 0) {
        complain(" the tokenizer has changed;");
    }
}

/* Refused access to a number is on record. */
static int leaves_a_line(const struct call *c, panseal_status status)
{
    int refused = status == PANSEAL_E_TOKEN || status == PANSEAL_E_INACTIVE || status == PANSEAL_E_IRREVERSIBLE;
    return c->function == &vault_detokenize && refused;
}

static panseal_status run(struct call *c, panseal_status expected)
{
    struct inputs in;
    struct outputs to;
    uint64_t digest = c->is_one_of_many ? 0 : digest_of_files();
    panseal_status status;

    memcpy(&in, &c->in, sizeof in);
    memcpy(&to, &c->to, sizeof to);
    complaint[0] = 0;
    status = c->function->run(c);

    if (expected == ANY_JUDGEMENT) {
        int is_of_another_kind = status == PANSEAL_E_UNSUPPORTED && c->function == &track_parse;
        if (status != PANSEAL_OK && !is_of_another_kind && (status < PANSEAL_E_MISSING || status > PANSEAL_E_TOO_LONG)) {
            complain(" answered %d;", (int)status);
        }
    } else if (status != expected) {
        complain(" answered %d, not %d;", (int)status, (int)expected);
    }
    if (memcmp(&in, &c->in, sizeof in) != 0) {
        complain(" an input was written to;");
    }
    check_guards(&c->to);
    if (c->err != NULL && !c->err_is_wrong && reports(c)) {
        check_err(c, status);
        memcpy(&to.err, &c->to.err, sizeof to.err);
    }
    if (status != PANSEAL_OK) {
        if (status == PANSEAL_E_BUFFER) {
            to.len = c->to.len;
            to.count = c->to.count;
        }
        if (memcmp(&to, &c->to, sizeof to) != 0) {
            complain(" an output was written to;");
        }
        if (!c->is_one_of_many && !leaves_a_line(c, status) && digest != digest_of_files()) {
            complain(" a file was written to;");
        }
    }
    if (!c->is_one_of_many) {
        check_vault();
    }
    return status;
}

/* Closes what a call has opened. */
static void tidy(struct call *c, panseal_status status)
{
    panseal_vault *made;
    if (status == PANSEAL_OK && (c->function == &vault_open || c->function == &vault_merchant)) {
        memcpy(&made, c->vault_out, sizeof made);
        if (panseal_vault_close(made) != PANSEAL_OK) {
            complain(" what it opened does not close;");
        }
    }
    if (status == PANSEAL_OK && c->function == &tokenizer_open) {
        panseal_tokenizer *opened;
        memcpy(&opened, c->tokenizer_out, sizeof opened);
        if (panseal_tokenizer_close(opened) != PANSEAL_OK) {
            complain(" what it opened does not close;");
        }
    }
}

panseal_status end(struct call *c, const char *name, panseal_status expected)
{
    panseal_status status = run(c, expected);
    tidy(c, status);
    if (!c->is_one_of_many || complaint[0] != 0) {
        count(c->function->name, name, c->at);
    }
    return status;
}

void end_refused(struct call *c, const char *name, int32_t param, panseal_status code)
{
    panseal_status status = run(c, PANSEAL_E_CARD);
    const panseal_error *err = &c->to.err;
    if (status == PANSEAL_E_CARD && (err->violation_count != 1 || err->violations[0].param != param
                                     || err->violations[0].code != code)) {
        complain(" %u violations, the first is %s %d, not %s %d;", (unsigned)err->violation_count,
                 panseal_param_name(err->violations[0].param), (int)err->violations[0].code,
                 panseal_param_name(param), (int)code);
    }
    tidy(c, status);
    count(c->function->name, name, c->at);
}

/* ---- the program ---- */

static void open_files(void)
{
    char path[512];
    files[0] = open(path_of(path, "cards.db"), O_RDONLY);
    files[1] = open(path_of(path, "cards.db-wal"), O_RDONLY);
    if (files[0] < 0 || files[1] < 0) {
        die("the vault's files cannot be opened");
    }
}

static void make_vault(void)
{
    panseal_open_options how;
    panseal_card card;
    panseal_status status = panseal_root_create(root_of("cards.root"), NULL);
    if (status != PANSEAL_OK) {
        die("root_create: %d", (int)status);
    }
    how = good_options();
    how.flags = PANSEAL_OPEN_CREATE;
    status = panseal_vault_open(&how, &good_vault, NULL);
    if (status != PANSEAL_OK) {
        die("open: %d", (int)status);
    }
    PANSEAL_INIT(card);
    card.number.ptr = NUMBER;
    card.number.len = sizeof NUMBER - 1;
    PANSEAL_INIT(known);
    PANSEAL_INIT(victim);
    status = panseal_vault_tokenize(good_vault, &card, NULL, &known, NULL);
    if (status != PANSEAL_OK || panseal_vault_tokenize(good_vault, &card, NULL, &victim, NULL) != PANSEAL_OK) {
        die("tokenize: %d", (int)status);
    }
}

static void make_tokenizer(void)
{
    panseal_open_options how = good_tokenizer_options();
    size_t len;
    how.flags = PANSEAL_OPEN_CREATE;
    if (panseal_tokenizer_open(&how, &good_tokenizer, NULL) != PANSEAL_OK
        || panseal_tokenizer_tokenize(good_tokenizer, NUMBER, 16, old_token, sizeof old_token, &len, NULL) != PANSEAL_OK
        || panseal_tokenizer_rotate(good_tokenizer, NULL, NULL) != PANSEAL_OK) {
        die("no tokenizer");
    }
}

static int table(const char *place)
{
    directory = place;
    make_vault();
    make_tokenizer();
    open_files();
    library_rows();
    argument_rows();
    struct_rows();
    text_rows();
    buffer_rows();
    format_rows();
    column_rows();
    token_rows();
    vault_rows();
    dialect_rows();
    garbage_rows();
    file_rows();
    handle_rows();
    tokenizer_handle_rows();
    thread_rows();
    process_rows();
    HOLDS(panseal_vault_close(good_vault) == PANSEAL_OK);
    HOLDS(panseal_vault_close(good_vault) == PANSEAL_E_HANDLE);
    HOLDS(panseal_tokenizer_close(good_tokenizer) == PANSEAL_OK);
    HOLDS(panseal_tokenizer_close(good_tokenizer) == PANSEAL_E_HANDLE);
    close(files[0]);
    close(files[1]);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}

/* Faults in C, and in the library: a heap block that is one byte too small for what the library is told. */
static int plant(const char *what)
{
    /* Volatile: the compiler must neither see the fault nor find the block unused. */
    volatile size_t more = 1;
    size_t size = strlen(NUMBER);
    char *volatile small = malloc(size);
    panseal_card card;
    if (small == NULL) {
        return 2;
    }
    memcpy(small, NUMBER, size);
    if (strcmp(what, "overflow") == 0) {
        memset(small, 0, size + more);
    } else if (strcmp(what, "wipe") == 0) {
        panseal_wipe(small, size + more);
    } else if (strcmp(what, "read") == 0) {
        PANSEAL_INIT(card);
        card.number.ptr = small;
        card.number.len = size + more;
        panseal_card_check(&card, NULL, NULL);
    }
    if (strcmp(what, "leak") != 0) {
        free(small);
    }
    small = NULL;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        return table(argv[1]);
    }
    if (argc == 3 && strcmp(argv[1], "plant") == 0) {
        return plant(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "locked") == 0) {
        return locked(argv[2]);
    }
    return 2;
}
