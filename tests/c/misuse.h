/* The table of wrong calls: what its parts share. See misuse.c. */
#ifndef PANSEAL_TESTS_MISUSE_H
#define PANSEAL_TESTS_MISUSE_H

#define _POSIX_C_SOURCE 200809L

#include <panseal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 32, PATTERN = 0xa5, BLOCKS = 16, ROWS = 3, HITS = PANSEAL_SCANNER_HITS, STRIDE = 19, EPOCHS = 2 };

#define NUMBER "4242424242424242"
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Inputs as they should be, for a row to spoil. */
struct inputs {
    panseal_card card;
    panseal_tokenize_options options;
    panseal_open_options how;
    panseal_column column;
    panseal_holder_parts parts;
    panseal_expect expect;
    panseal_query query;
    panseal_change change;
    panseal_audit_query audit_query;
    panseal_request request;
    panseal_grant grant;
};

/* Outputs between guards, all of it filled with a pattern before the call. */
struct outputs {
    unsigned char before_info[GUARD];
    panseal_card_info info;
    unsigned char before_instrument[GUARD];
    panseal_instrument instrument;
    unsigned char before_text[GUARD];
    char text[160];
    unsigned char before_len[GUARD];
    size_t len;
    unsigned char before_vault[GUARD];
    panseal_vault *vault;
    unsigned char before_holder[GUARD];
    panseal_holder holder;
    unsigned char before_network[GUARD];
    panseal_network_info network;
    unsigned char before_partial[GUARD];
    panseal_partial partial;
    unsigned char before_track[GUARD];
    panseal_track track;
    unsigned char before_span[GUARD];
    panseal_span span;
    unsigned char before_month[GUARD];
    int32_t month;
    unsigned char before_year[GUARD];
    int32_t year;
    unsigned char before_end[GUARD];
    size_t end;
    unsigned char before_hits[GUARD];
    panseal_hit hits[HITS];
    unsigned char before_status[GUARD];
    panseal_status status[ROWS];
    unsigned char before_networks[GUARD];
    uint8_t networks[ROWS];
    unsigned char before_lengths[GUARD];
    uint8_t lengths[ROWS];
    unsigned char before_last4[GUARD];
    char last4[4 * ROWS];
    unsigned char before_rows[GUARD];
    char rows[ROWS * STRIDE];
    unsigned char before_counts[GUARD];
    uint32_t counts[ROWS];
    unsigned char before_epochs[GUARD];
    panseal_epoch epochs[EPOCHS];
    unsigned char before_count[GUARD];
    size_t count;
    unsigned char before_generation[GUARD];
    int64_t generation;
    unsigned char before_epoch[GUARD];
    uint32_t epoch, slot;
    unsigned char before_changed[GUARD];
    int32_t changed;
    unsigned char before_commitment[GUARD];
    uint8_t commitment[PANSEAL_COMMITMENT_LEN];
    unsigned char before_tokenizer[GUARD];
    panseal_tokenizer *tokenizer;
    unsigned char before_purged[GUARD];
    panseal_purged purged;
    unsigned char before_customer[GUARD];
    panseal_customer customer;
    unsigned char before_state[GUARD];
    panseal_vault_state state;
    unsigned char before_vault_epoch[GUARD];
    panseal_vault_epoch vault_epoch;
    unsigned char before_line[GUARD];
    panseal_audit_line line;
    unsigned char before_report[GUARD];
    panseal_audit_report report;
    unsigned char before_total[GUARD];
    uint64_t total;
    unsigned char before_response[GUARD];
    panseal_response response;
    unsigned char before_reply[GUARD];
    char reply[PANSEAL_REPLY_MAX];
    unsigned char before_credential[GUARD];
    panseal_credential credential;
    unsigned char before_err[GUARD];
    panseal_error err;
    unsigned char after_err[GUARD];
};

struct function;

/* One call: every argument that a function of the library takes, all of them right at first. */
struct call {
    const struct function *function;
    panseal_vault *vault;
    panseal_tokenizer *tokenizer;
    panseal_scanner *scanner;
    panseal_card *card;
    panseal_tokenize_options *options;
    panseal_open_options *how;
    panseal_text text;            /* a number, a token, or whatever is read */
    panseal_text reason;
    panseal_text second, third;   /* what goes with the text: an AID, tags of a chip */
    panseal_column *column;
    panseal_holder_parts *parts;
    int32_t month_in, year_in, form;
    uint32_t first, last, tag;
    const char *literal;          /* a root or a merchant */
    uint32_t flags;
    panseal_card_info *info;
    panseal_instrument *instrument;
    char *out;
    size_t cap;
    size_t *len;
    panseal_holder *holder;
    panseal_network_info *network;
    panseal_partial *partial;
    panseal_track *track;
    panseal_span *span;
    int32_t *month, *year;
    size_t *end;                  /* the end of a field, or where a scan goes on */
    panseal_hit *hits;
    size_t hits_cap;
    panseal_status *status;
    uint8_t *networks, *lengths;
    char *last4;
    panseal_vault **vault_out;
    panseal_expect *expect;
    const char *last4_in;         /* what is expected of the rows of a batch */
    const uint8_t *networks_in;
    char *rows;                   /* the texts that a batch gives */
    size_t stride;
    uint32_t *counts;
    panseal_epoch *epochs;
    size_t epochs_cap;
    size_t *count;
    int64_t *generation;
    uint32_t *epoch, *slot;
    int32_t *changed;
    uint8_t *commitment;
    const char *second_literal;
    panseal_root_fn root_fn;
    panseal_tokenizer **tokenizer_out;
    size_t cards, manners;        /* how many cards of a batch, and options for them */
    size_t page_cap;
    panseal_query *query;
    panseal_change *change;
    panseal_audit_query *audit_query;
    panseal_purged *purged;
    panseal_customer *customer;
    panseal_vault_state *state;
    panseal_vault_epoch *vault_epochs;
    panseal_audit_line *lines;
    const uint8_t *head;
    panseal_audit_report *report;
    int64_t before;
    uint64_t *total;
    panseal_progress_fn progress;
    panseal_guard_fn guard;
    panseal_request *request;
    panseal_response *response;
    panseal_grant *grant;
    panseal_credential *credential;
    panseal_error *err;

    int err_is_wrong;             /* nothing may be written to it */
    int is_one_of_many;           /* the files and the vault are looked at only now and then */
    long at;                      /* tells the rows of a loop apart, where not 0 */
    void *blocks[BLOCKS];
    struct inputs in;
    struct outputs to;
};

/* A function of the library, called with the arguments of a call. */
struct function {
    const char *name;
    panseal_status (*run)(struct call *call);
};

extern const struct function card_check, card_mask, root_create, vault_open, vault_merchant, vault_tokenize,
    vault_lookup, vault_detokenize, vault_deactivate, vault_close, check_many, card_group, card_truncate, expiry_parse,
    expiry_text, holder_parse, holder_text, holder_write, card_network, card_partial, track_parse, bcd_unpack, chip_read,
    chip_record, tlv_find, iso8583_number, iso8583_expiry, iso8583_track2, scan_text, root_split, classify,
    tokenizer_open, tokenizer_close, tokenizer_tokenize, tokenizer_detokenize, tokenizer_tokenize_many,
    tokenizer_detokenize_many, tokenizer_candidates, tokenizer_retokenize, tokenizer_rotate, tokenizer_destroy,
    tokenizer_free_slot, tokenizer_change_root, tokenizer_status, tokenizer_commitment,
    tokenizer_refresh,
    chip_service_code, chip_sequence, holds_number, scanner_feed, scanner_finish, scanner_close,
    vault_tokenize_many;

/* One row: a function, the code it must answer, and what makes the call wrong. The code of the row is its name. */
#define ROW(function, expected, ...) \
    do { \
        struct call *c = begin(&function); \
        __VA_ARGS__; \
        end(c, #__VA_ARGS__, expected); \
    } while (0)

/* A row that is answered by PANSEAL_E_CARD with one violation. */
#define REFUSED(function, param, code, ...) \
    do { \
        struct call *c = begin(&function); \
        __VA_ARGS__; \
        end_refused(c, #__VA_ARGS__, param, code); \
    } while (0)

/* A row that is a condition. */
#define HOLDS(condition) holds(#condition, condition)

struct call *begin(const struct function *function);
panseal_status end(struct call *call, const char *name, panseal_status expected);
void end_refused(struct call *call, const char *name, int32_t param, panseal_status code);
int holds(const char *name, int condition);

/* Any answer but those of a wrong call or a fault in panseal: for bytes that mean nothing. */
enum { ANY_JUDGEMENT = -1 };

/* Whether an argument of a struct is read, written, or the error record. */
enum kind { INPUT, OUTPUT, ERROR };

/* The wrong calls that every struct knows: sizes, tails, odd places. */
#define STRUCT(function, argument, kind) \
    rows_of_struct(&function, #argument, offsetof(struct call, argument), sizeof *((struct call *)0)->argument, \
                   sizeof *((struct call *)0)->argument, kind)

/* The same of a struct that once ended before the field `added`, as older programs have it. */
#define GROWN(function, argument, added, kind) \
    rows_of_struct(&function, #argument, offsetof(struct call, argument), sizeof *((struct call *)0)->argument, \
                   (size_t)((char *)&((struct call *)0)->argument->added - (char *)((struct call *)0)->argument), kind)

void rows_of_struct(const struct function *function, const char *name, size_t argument, size_t size, size_t first,
                    enum kind kind);

/* A block of exactly the size it needs, so that a byte read beyond it is noticed. Freed when the next row begins. */
void *block(struct call *call, size_t size);
panseal_text given(struct call *call, const char *bytes, size_t len);
panseal_text filled(struct call *call, char byte, size_t len);
const char *literal(struct call *call, char byte, size_t len);

/* Texts as the library takes them, where they lie. */
panseal_text bytes(const char *from, size_t len);
panseal_text words(const char *text);

/* The vault that all rows work on, and what is in it. */
extern panseal_vault *good_vault;
extern panseal_instrument known, victim;

/* The tokenizer that all rows work on ("ff1:0+4", two epochs), and a token of the older epoch. */
extern panseal_tokenizer *good_tokenizer;
extern char old_token[17];
panseal_open_options good_tokenizer_options(void);
extern const char *directory;
panseal_open_options good_options(void);

/* Names of files in the directory; the two URIs are good until they are asked for again. */
char *path_of(char room[512], const char *name);
const char *url_of(const char *name);
const char *root_of(const char *name);

/* The chapters. */
void library_rows(void);
void argument_rows(void);
void struct_rows(void);
void text_rows(void);
void buffer_rows(void);
void format_rows(void);
void column_rows(void);
void token_rows(void);
void tokenizer_handle_rows(void);
void vault_rows(void);
void dialect_rows(void);

/* The arguments of the functions in misuse_vault.c, and what these answer to a handle that is none. */
void begin_vault(struct call *call);
void vault_handle_rows(const char *row, uintptr_t bits);

/* The same of misuse_dialects.c. */
void begin_dialect(struct call *call);
void dialect_handle_rows(const char *row, uintptr_t bits);

void garbage_rows(void);
void handle_rows(void);
void file_rows(void);
void thread_rows(void);
void process_rows(void);

/* The program as `misuse locked PATH`: 0 if another process holds the lock of an open database. */
int locked(const char *path);

#endif
