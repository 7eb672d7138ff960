/* panseal.h - check payment cards, turn card numbers into tokens, keep them in a vault.
 *
 * Generated from src/capi by `make header`; do not edit.
 *
 * HOW EVERY FUNCTION BEHAVES
 *  1. Result.   A function that can fail returns panseal_status: 0 is done, anything else is a code below.
 *               Outputs are written only on PANSEAL_OK. Three exceptions, no others: *len (or *count) when the
 *               code is PANSEAL_E_BUFFER, *err always, and the rows of a _many call that its end cut short. An
 *               output that may not be NULL is refused with PANSEAL_E_NULL before anything happens.
 *  2. Arguments come in one order: handle, inputs, options, outputs, err. A length follows its array.
 *  3. Text in.  What comes from outside (numbers, names, tokens, ids) is pointer + length and needs no NUL;
 *               a length over 65536 is PANSEAL_E_ARGUMENT. What a programmer writes (URL, scheme, merchant) is
 *               a NUL-terminated literal. NULL or length 0 means 'absent'.
 *  4. Text out. (char *out, size_t cap, size_t *len): `len` bytes are written, and a NUL after them where there
 *               is room; a field of exactly the right width (CHAR(16)) is big enough. Every maximum is a macro.
 *               A too small buffer is found BEFORE anything is done: PANSEAL_E_BUFFER, *len = enough, no effect.
 *               panseal_vault_detokenize asks for PANSEAL_PAN_MAX bytes whatever the number's length.
 *               Input is read whole before output is written: the token may go where the number was (not in
 *               a _many call).
 *  5. Memory.   The library gives the caller no memory and keeps none of the caller's after it returns.
 *               There is no free function. Secrets leave only into the caller's buffers: panseal_wipe them.
 *  6. Handles   are tickets in pointer's clothing: opaque, never an address, never to be dereferenced, never
 *               reused. NULL, garbage, closed, or of the wrong kind gives PANSEAL_E_HANDLE. Closing NULL is
 *               fine. Closing while another thread is inside is fine: that call finishes, later ones are
 *               refused, and the keys are wiped by whoever leaves last.
 *  7. Threads.  Any function, any handle, any thread, any time. After fork a vault or tokenizer reopens
 *               itself in the child; where its root key cannot be had again it answers PANSEAL_E_FORK.
 *  8. Structs   start with struct_size. Call PANSEAL_INIT(s), then set fields; zero always means 'default'.
 *               Also for err and outputs: a struct that was not initialised is PANSEAL_E_STRUCT, nothing done.
 *               Fields are only ever added at the end; an input with an unknown non-zero tail is refused, an
 *               output is filled as far as the caller's size reaches. Structs may lie at any alignment.
 *  9. Callbacks get `userdata` first and return 0 for done; anything else ends the call with
 *               PANSEAL_E_CALLBACK. Pointers given to them are good until they return. They may call panseal,
 *               but not use the handle that they are called for, except to close it.
 * 10. The library never prints, exits, aborts, raises or catches signals; a panic inside is PANSEAL_E_INTERNAL.
 *               pthread_cancel waits until the call is over; a thread of the asynchronous type is of the deferred
 *               type from its first call on.
 * 11. Stack.   Below its caller's frame a call needs at most, as measured on x86-64 Linux (elsewhere, count on twice
 *               as much):
 *                   12 KiB  Numbers: cards, readers, the scanner, tokens of a tokenizer whose keys are loaded
 *                   48 KiB  Others: columns, keys, vaults in SQLite and in memory
 *                   96 KiB  PostgreSQL: vaults there
 *               On Linux, on x86-64 and AArch64, a call of the latter two runs on a stack of the library's own, 900 KiB
 *               of it, where less than 160 KiB is left. So does every call where the stack is not the thread's, as in
 *               a fiber or on a signal's stack: 8 KiB of that are enough. Nothing beyond the stack is wiped. A
 *               callback runs on the stack of its call.
 */
#ifndef PANSEAL_H
#define PANSEAL_H

#include <stddef.h>
#if defined(_MSC_VER) && _MSC_VER < 1600           /* a till's compiler may be older than <stdint.h> */
typedef unsigned char uint8_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef __int64 int64_t;
typedef unsigned __int64 uint64_t;
#else
#include <stdint.h>
#endif

#if defined(_WIN32)
#  if defined(PANSEAL_SHARED)
#    define PANSEAL_API __declspec(dllimport)      /* opt in: static linking works by default */
#  else
#    define PANSEAL_API
#  endif
#else
#  define PANSEAL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- library --------------------------------------------------------------------------------------------- */

/* Grows with additions; a break changes the soname instead. */
#define PANSEAL_ABI 1

/* The most digits of a card number. */
#define PANSEAL_PAN_MAX 19

/* The longest token, in bytes. */
#define PANSEAL_TOKEN_MAX 64

/* The longest name of a network, in bytes. */
#define PANSEAL_NETWORK_MAX 23

/* The longest number as it is displayed, in bytes. */
#define PANSEAL_MASK_MAX 31

/* The longest merchant, customer, reference, actor or idempotency key, in bytes. */
#define PANSEAL_ID_MAX 64

/* The longest reason for a detokenization, in bytes. */
#define PANSEAL_REASON_MAX 256

/* The longest cardholder's name in a vault, in bytes. */
#define PANSEAL_NAME_MAX 111

/* The longest metadata of an instrument, and the longest data of a customer, in bytes. */
#define PANSEAL_METADATA_MAX 4096

/* The most cards of one panseal_vault_tokenize_many. */
#define PANSEAL_MANY_MAX 10000

/* The most rows that one page of a list has. */
#define PANSEAL_LIST_MAX 1000

/* The most violations of one card. */
#define PANSEAL_VIOLATION_MAX 8

/* Size of a token's field in a struct: the maximum and a NUL, filled up to a multiple of eight. */
#define PANSEAL_TOKEN_ROOM 72

/* Size of a customer's field in a struct. */
#define PANSEAL_ID_ROOM 72

/* Size of a network's field in a struct. */
#define PANSEAL_NETWORK_ROOM 24

/* Size of a masked number's field in a struct. */
#define PANSEAL_MASK_ROOM 32

/* Size of a reason's field in a struct. */
#define PANSEAL_REASON_ROOM 264

/* Size of a field with the name of a verb or a store. */
#define PANSEAL_WORD_ROOM 24

/* The card number. */
#define PANSEAL_PARAM_NUMBER 1

/* The expiry, month and year together. */
#define PANSEAL_PARAM_EXPIRY 2

/* The card verification value. */
#define PANSEAL_PARAM_CVV 3

/* The cardholder's name. */
#define PANSEAL_PARAM_NAME 4

/* The postal code. */
#define PANSEAL_PARAM_POSTAL_CODE 5

/* The metadata. */
#define PANSEAL_PARAM_METADATA 6

/* What became of a call, a row, or a field of a card: PANSEAL_OK or one of the codes below. */
typedef int32_t panseal_status;

/* One thing that is wrong with one field of a card. */
typedef struct panseal_violation {
    /* Which field: PANSEAL_PARAM_... */
    int32_t param;
    /* What is wrong with it: PANSEAL_E_MISSING .. PANSEAL_E_TOO_LONG. */
    panseal_status code;
} panseal_violation;

/* What went wrong, in numbers only: no text, no pointer, never a byte of the input.
 *
 * The last argument of every function that does real work; NULL where nobody wants it. */
typedef struct panseal_error {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* The same as the return value. */
    panseal_status code;
    /* errno, or the database's own code, or 0. */
    int32_t system;
    /* How many of the violations are set. */
    uint32_t violation_count;
    /* Why a card was refused, at most one a field. */
    panseal_violation violations[PANSEAL_VIOLATION_MAX];
} panseal_error;

/* A text from outside: `len` bytes, no NUL needed. NULL or length 0 means 'absent'. */
typedef struct panseal_text {
    /* Its first byte. */
    const char *ptr;
    /* How many bytes. */
    size_t len;
} panseal_text;

/* A part of a text: `len` bytes from offset `at` on. len 0: absent. */
typedef struct panseal_span {
    /* Offset of the first byte. */
    uint32_t at;
    /* How many bytes. */
    uint32_t len;
} panseal_span;

/* Done. */
#define PANSEAL_OK 0

/* A pointer that must not be NULL is. */
#define PANSEAL_E_NULL 1

/* A value out of range, an unknown flag or name. */
#define PANSEAL_E_ARGUMENT 2

/* struct_size is 0 or too small, or the part of a struct that this version does not know is not zero. */
#define PANSEAL_E_STRUCT 3

/* The output is too small; *len says how much is enough; nothing happened. */
#define PANSEAL_E_BUFFER 4

/* Not an open handle of this kind. */
#define PANSEAL_E_HANDLE 5

/* A text is not UTF-8. */
#define PANSEAL_E_UTF8 6

/* A callback asked to stop. */
#define PANSEAL_E_CALLBACK 7

/* Left out of this build: see panseal_has_feature. */
#define PANSEAL_E_UNSUPPORTED 8

/* Too many open handles, rows or bytes. */
#define PANSEAL_E_LIMIT 9

/* The system has no memory left. Nothing was done, or of what is done in many steps (panseal_vault_rewrap,
 * panseal_vault_change_index, panseal_vault_purge_expired) not all: call it again. */
#define PANSEAL_E_MEMORY 10

/* The card was refused; err lists why. The codes 101 to 109 are those of violations. */
#define PANSEAL_E_CARD 100

/* A field that is needed is absent. */
#define PANSEAL_E_MISSING 101

/* A field is not of its form. */
#define PANSEAL_E_MALFORMED 102

/* A number or cvv has a length that its network does not use. */
#define PANSEAL_E_LENGTH 103

/* A number fails the Luhn check of ISO/IEC 7812-1. */
#define PANSEAL_E_LUHN 104

/* A number is of no known network. */
#define PANSEAL_E_NETWORK 105

/* A card has expired. */
#define PANSEAL_E_EXPIRED 106

/* An expiry lies further ahead than cards are issued. */
#define PANSEAL_E_TOO_FAR 107

/* A text has characters that the field does not take. */
#define PANSEAL_E_CHARSET 108

/* A text is longer than the field takes. */
#define PANSEAL_E_TOO_LONG 109

/* No such token: unknown, malformed, or another merchant's. Deliberately one answer. */
#define PANSEAL_E_TOKEN 200

/* The instrument was deactivated. */
#define PANSEAL_E_INACTIVE 201

/* Too few hidden digits for this token scheme. */
#define PANSEAL_E_DOMAIN 202

/* The token space is exhausted. */
#define PANSEAL_E_EXHAUSTED 203

/* The token scheme, or this handle, has no way back. */
#define PANSEAL_E_IRREVERSIBLE 204

/* The root key is absent, malformed, readable by others, or not the right one. */
#define PANSEAL_E_ROOT_KEY 205

/* The epoch is destroyed, or still needed. */
#define PANSEAL_E_EPOCH 206

/* The database failed; err->system has its code. */
#define PANSEAL_E_STORE 300

/* The database is in use: try again. */
#define PANSEAL_E_BUSY 301

/* There is no vault at that place. */
#define PANSEAL_E_NOT_A_VAULT 302

/* The vault was written by a newer version. */
#define PANSEAL_E_SCHEMA_NEWER 303

/* A sealed field does not open: the vault was changed from outside. */
#define PANSEAL_E_TAMPERED 304

/* The idempotency key was used with another card or customer. */
#define PANSEAL_E_CONFLICT 305

/* The process was forked and the root key cannot be had again. */
#define PANSEAL_E_FORK 306

/* A fault inside panseal. */
#define PANSEAL_E_INTERNAL 999

/* The ABI of the library that is running: at least the PANSEAL_ABI that the caller was compiled with. */
PANSEAL_API uint32_t panseal_abi(void);

/* The version of the library that is running, "1.2.3". Static. */
PANSEAL_API const char *panseal_version(void);

/* Whether this build, on this machine, has a feature: "mlock" (keys are locked in memory), "ff1" (the token
 * scheme), "postgres" (vaults at "postgres://...").
 * 1, or 0 also for a name that is not known and for NULL. */
PANSEAL_API int32_t panseal_has_feature(const char *name);

/* A status in English. Static, never NULL, also for a number that is no status. */
PANSEAL_API const char *panseal_status_text(panseal_status code);

/* The name of a card's field: "number", "expiry", "cvv", "name", "postal_code", "metadata". Static; "" for a number
 * that is no field. */
PANSEAL_API
const char *panseal_param_name(int32_t param);

/* The name of a network: "VISA"; "UNKNOWN" for 0. Static; "" for a number that is no network. */
PANSEAL_API const char *panseal_network_name(int32_t network);

/* Overwrites memory with zeros, and is never optimised away. NULL is fine. */
PANSEAL_API void panseal_wipe(void *memory, size_t len);

/* Zeroes a struct and sets its struct_size: use PANSEAL_INIT. NULL and a size below four are left alone. */
PANSEAL_API void panseal_struct_init(void *record, size_t size);

/* ---- cards ----------------------------------------------------------------------------------------------- */

/* Digits only: no spaces, no hyphens. */
#define PANSEAL_CARD_STRICT 1

/* An absent expiry is a violation. */
#define PANSEAL_CARD_NEED_EXPIRY 2

/* An absent cvv is a violation. */
#define PANSEAL_CARD_NEED_CVV 4

/* A number of no known network is a violation. */
#define PANSEAL_CARD_KNOWN_NETWORK 8

/* A whole prefix that is left to a network after all others does not count as that network. */
#define PANSEAL_CARD_STRICT_NETWORKS 16

/* An expiry may lie any number of years ahead. */
#define PANSEAL_CARD_ANY_HORIZON 32

/* The first eight digits and the last four, from 16 digits on; only where there is a need for it (PCI DSS 3.4.1). */
#define PANSEAL_MASK_FIRST8 1

/* The last four digits alone. */
#define PANSEAL_MASK_LAST4 2

/* In groups as on a card: "4242 42** **** 4242". */
#define PANSEAL_MASK_GROUPED 4

/* Both counts of panseal_card_truncate: what is usual for the number. */
#define PANSEAL_TRUNCATE_USUAL 255

/* Forms of an expiry. ANY: MM/YY, MM/YYYY, M/YY, YYYY-MM, MMYYYY and others that can be read in one way only. */
#define PANSEAL_EXPIRY_ANY 0

/* Four digits, month first. */
#define PANSEAL_EXPIRY_MMYY 1

/* Four digits, year first: tracks, ISO 8583 field 14. */
#define PANSEAL_EXPIRY_YYMM 2

/* Six digits: EMV 5F24. */
#define PANSEAL_EXPIRY_YYMMDD 3

/* Six digits, month first; panseal_expiry_text only. */
#define PANSEAL_EXPIRY_MMYYYY 4

/* The longest name on a track, in bytes (ISO/IEC 7813). */
#define PANSEAL_HOLDER_MAX 26

/* Card data as it came in. Used to check and to tokenize; nothing of the cvv and the postal code is kept. */
typedef struct panseal_card {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_CARD_..., or 0. */
    uint32_t flags;
    /* 1..12; 0, and the year 0, where no expiry is given. */
    int32_t expiry_month;
    /* 0..99, meaning 2000..2099, or 2000..2099. */
    int32_t expiry_year;
    /* Seconds since 1970 UTC to judge the expiry by; 0: the system clock. */
    int64_t now;
    /* 12 to 19 digits, spaces and hyphens between them. */
    panseal_text number;
    /* 3 or 4 digits, by network. Checked and never kept. */
    panseal_text cvv;
    /* The cardholder, UTF-8, Latin script, up to 26 characters. */
    panseal_text name;
    /* US ZIP or ZIP+4. Checked and not kept. */
    panseal_text postal_code;
    /* How many years ahead an expiry may lie; 0: 20. */
    uint32_t horizon_years;
    /* How many months a card is taken after its expiry: 0..255. */
    uint32_t grace_months;
} panseal_card;

/* What may be shown and stored of a card. NUL-terminated ASCII. */
typedef struct panseal_card_info {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* How many digits the number has. */
    uint32_t number_length;
    /* "VISA", "UNKNOWN". */
    char network[PANSEAL_NETWORK_ROOM];
    /* "VISA_ELECTRON", or "". */
    char product[PANSEAL_NETWORK_ROOM];
    /* "424242******4242". */
    char masked[PANSEAL_MASK_ROOM];
    /* The last four digits. */
    char last4[8];
} panseal_card_info;

/* A cardholder's name taken apart, as track 1 and EMV 5F20 have it: SURNAME/FIRST MIDDLE.TITLE. Spans are offsets into
 * the text that was read. */
typedef struct panseal_holder {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 0. */
    uint32_t reserved;
    /* All of it where there is no '/'. */
    panseal_span surname;
    /* Len 0: absent. */
    panseal_span first;
    /* Len 0: absent. */
    panseal_span middle;
    /* Len 0: absent. */
    panseal_span title;
} panseal_holder;

/* The parts of a name, UTF-8; only the surname must be given. */
typedef struct panseal_holder_parts {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 0. */
    uint32_t reserved;
    /* The surname. */
    panseal_text surname;
    /* The first name. */
    panseal_text first;
    /* Middle name or initial. */
    panseal_text middle;
    /* "DR". */
    panseal_text title;
} panseal_holder_parts;

/* A column of texts. Rows of a fixed width (CHAR(19); spaces at the end are ignored) where width is not 0, else
 * Arrow's layout: count + 1 offsets into the data. */
typedef struct panseal_column {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* Bytes a row; 0: use offsets. */
    uint32_t width;
    /* The rows' bytes. */
    const char *data;
    /* count + 1 of them, not descending; NULL with a width. */
    const int32_t *offsets;
    /* How many bytes there are at data; rows beyond them are refused. */
    size_t data_len;
    /* How many rows. */
    size_t count;
} panseal_column;

/* Checks a card: PANSEAL_OK, or PANSEAL_E_CARD with all violations in err, at most one a field. `info` (may be
 * NULL) is written on PANSEAL_OK only. */
PANSEAL_API
panseal_status panseal_card_check(const panseal_card *card,
                                  panseal_card_info *info,
                                  panseal_error *err);

/* How a number is displayed: the first six digits and the last four, the last four alone below 15 digits:
 * "424242******4242". `flags`: PANSEAL_MASK_..., or 0. At most PANSEAL_MASK_MAX bytes. The number is not checked
 * beyond its form. */
PANSEAL_API
panseal_status panseal_card_mask(const char *number,
                                 size_t number_len,
                                 uint32_t flags,
                                 char *out,
                                 size_t cap,
                                 size_t *len);

/* A number in groups as on the card: 4-4-4-4, 4-6-5 ... by network and length. At most PANSEAL_MASK_MAX bytes; it is
 * the whole number: panseal_wipe it after use. */
PANSEAL_API
panseal_status panseal_card_group(const char *number,
                                  size_t number_len,
                                  char *out,
                                  size_t cap,
                                  size_t *len);

/* A number truncated for storage: the first and last digits that may be kept, '*' for each other one. What may be
 * kept depends on network and length (PCI SSC FAQ 1091): PANSEAL_E_ARGUMENT for more. Do not keep two truncations of
 * a number in one place, nor one beside a hash of it. */
PANSEAL_API
panseal_status panseal_card_truncate(const char *number,
                                     size_t number_len,
                                     uint32_t first,
                                     uint32_t last,
                                     char *out,
                                     size_t cap,
                                     size_t *len);

/* Reads an expiry of the form given: month 1..12 and year 2000..2099. PANSEAL_E_MALFORMED where it is not of that
 * form. */
PANSEAL_API
panseal_status panseal_expiry_parse(const char *text,
                                    size_t text_len,
                                    int32_t form,
                                    int32_t *month,
                                    int32_t *year);

/* Writes an expiry as MMYY, YYMM or MMYYYY. */
PANSEAL_API
panseal_status panseal_expiry_text(int32_t month,
                                   int32_t year,
                                   int32_t form,
                                   char *out,
                                   size_t cap,
                                   size_t *len);

/* Takes a name of a track apart. " /" is an absent name: all spans are empty. */
PANSEAL_API
panseal_status panseal_holder_parse(const char *text,
                                    size_t text_len,
                                    panseal_holder *out,
                                    panseal_error *err);

/* A name in the characters of a track: capitals without marks. Marks and strokes are dropped, ligatures spelled out.
 * At most PANSEAL_HOLDER_MAX bytes: PANSEAL_E_TOO_LONG where it does not fit, PANSEAL_E_CHARSET where it is not
 * Latin, PANSEAL_E_MALFORMED where there is not one letter (also of nothing), or a card number. */
PANSEAL_API
panseal_status panseal_holder_text(const char *name,
                                   size_t name_len,
                                   char *out,
                                   size_t cap,
                                   size_t *len);

/* Writes a name as track 1 has it, in the characters of a track: SURNAME/FIRST MIDDLE.TITLE. At most
 * PANSEAL_HOLDER_MAX bytes; refuses as panseal_holder_text does, and PANSEAL_E_MISSING without a surname. */
PANSEAL_API
panseal_status panseal_holder_write(const panseal_holder_parts *parts,
                                    char *out,
                                    size_t cap,
                                    size_t *len,
                                    panseal_error *err);

/* Checks a column of numbers, each as panseal_card_check does: form, length, network, Luhn. The arrays have count
 * entries, last4 four bytes for each; `status` must be given, the others may be NULL. A row's status is PANSEAL_OK
 * or one of PANSEAL_E_MISSING .. PANSEAL_E_TOO_LONG; where it is not PANSEAL_OK, the other columns have zeros. The
 * result is PANSEAL_OK also when rows were refused. The arrays must not overlap the column. */
PANSEAL_API
panseal_status panseal_card_check_many(const panseal_column *numbers,
                                       panseal_status *status,
                                       uint8_t *network,
                                       uint8_t *length,
                                       char *last4,
                                       panseal_error *err);

/* ---- networks -------------------------------------------------------------------------------------------- */

/* Numbers are refused where the Luhn check fails. */
#define PANSEAL_LUHN_REQUIRED 1

/* The check is usual, and a number that fails it is taken all the same. */
#define PANSEAL_LUHN_ADVISORY 2

/* The network has a check digit of another kind. */
#define PANSEAL_LUHN_ALTERNATE 3

/* There is no check digit. */
#define PANSEAL_LUHN_NONE 4

/* The most networks beside the first that a card is told to belong to. */
#define PANSEAL_COBADGE_MAX 8

/* The most networks that a beginning can belong to. */
#define PANSEAL_POSSIBLE_MAX 128

/* A whole prefix that is left to a network after all others does not count: UNKNOWN instead. */
#define PANSEAL_NETWORK_STRICT 1

/* Digits are missing. */
#define PANSEAL_PARTIAL_TOO_SHORT 0

/* A whole number, which may also go on. */
#define PANSEAL_PARTIAL_MAY_GROW 1

/* A whole number. */
#define PANSEAL_PARTIAL_COMPLETE 2

/* More digits than any number that begins like this. */
#define PANSEAL_PARTIAL_TOO_LONG 3

/* What a number, and the application that a chip has selected, tell about the network. Networks are told by number:
 * panseal_network_name. Bit n of a set of lengths: n digits. */
typedef struct panseal_network_info {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* The network; 0: UNKNOWN. */
    int32_t network;
    /* A product of it, such as VISA_ELECTRON; 0: none is known. */
    int32_t product;
    /* 1: rather a guess than a finding. */
    int32_t fallback;
    /* PANSEAL_LUHN_... */
    int32_t luhn;
    /* How many digits a number of this range may have. */
    uint32_t lengths;
    /* How many digits the card verification value has. */
    uint32_t code_lengths;
    /* How many of the co-badges are set. */
    uint32_t cobadge_count;
    /* Further networks that the card may be used on; the cardholder may choose (EU IFR, article 8). */
    int32_t cobadges[PANSEAL_COBADGE_MAX];
    /* The network's name: "VISA". */
    char name[PANSEAL_NETWORK_ROOM];
    /* What the network calls the card verification value: "CVV2", or "". */
    char code_name[8];
} panseal_network_info;

/* What the digits that were keyed so far can still become. */
typedef struct panseal_partial {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* How many digits were keyed, at most 20. */
    uint32_t digits;
    /* PANSEAL_PARTIAL_... */
    int32_t complete;
    /* 1 or 0: the Luhn check holds or fails at this length; -1: no number is that long. */
    int32_t luhn_ok;
    /* The network, once nothing else is possible; 0 before. */
    int32_t committed;
    /* How many digits the number may have in the end; bit n: n digits. */
    uint32_t lengths;
    /* How many of the possible networks are set. */
    uint32_t possible_count;
    /* The networks that are still possible. */
    uint8_t possible[PANSEAL_POSSIBLE_MAX];
} panseal_partial;

/* The network of a card number. `aid` is the application that a chip has selected (EMV tag 4F, 84 or 9F06, 5 to 16
 * bytes); it decides where it is given, and the number where it is absent. `flags`: PANSEAL_NETWORK_STRICT, or 0. The
 * number is not checked beyond its form. */
PANSEAL_API
panseal_status panseal_card_network(const char *number,
                                    size_t number_len,
                                    const uint8_t *aid,
                                    size_t aid_len,
                                    uint32_t flags,
                                    panseal_network_info *out,
                                    panseal_error *err);

/* The network of an application identifier alone (EMV tag 4F, 84 or 9F06): its number, or 0 where it is not known. */
PANSEAL_API
int32_t panseal_aid_network(const uint8_t *aid,
                            size_t aid_len);

/* What the digits keyed so far can still become. Spaces and hyphens are dropped; nothing at all is the beginning of
 * every number. PANSEAL_E_CHARSET for anything else than digits. */
PANSEAL_API
panseal_status panseal_card_partial(const char *typed,
                                    size_t typed_len,
                                    panseal_partial *out,
                                    panseal_error *err);

/* The version of the network table: grows when ranges change. */
PANSEAL_API uint32_t panseal_table_version(void);

/* The day of the network table, "2026-11-20". Static. */
PANSEAL_API const char *panseal_table_date(void);

/* ---- readers --------------------------------------------------------------------------------------------- */

/* Room for the digits of panseal_chip_read and panseal_chip_record. It is enough for panseal_iso8583_number, which needs
 * PANSEAL_PAN_MAX, and panseal_iso8583_track2, which needs 37, too. */
#define PANSEAL_CHIP_ROOM 38

/* The field is text, two length digits first; otherwise it is packed. */
#define PANSEAL_ISO8583_TEXT 0

/* The field is packed, its length in one packed byte. */
#define PANSEAL_ISO8583_PACKED 1

/* A track or chip string taken apart. Spans are offsets into the text that was read; nothing is copied. Service code
 * and discretionary data are for reading: no other function takes them, and no vault keeps them (PCI DSS 3.3.1). */
typedef struct panseal_track {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 1 or 2 (EMV 57 is track 2); 0 for a number without a track (EMV 5A alone). */
    int32_t format;
    /* 1..12, or 0 where the card tells no expiry. */
    int32_t expiry_month;
    /* 2000..2099, or 0. */
    int32_t expiry_year;
    /* The card number; may hold spaces on old cards. */
    panseal_span number;
    /* The cardholder (track 1), SURNAME/FIRST: see panseal_holder_parse. */
    panseal_span name;
    /* Three digits. */
    panseal_span service_code;
    /* The issuer's own. */
    panseal_span discretionary;
    /* Where the track ends: a second one of the same swipe begins there. */
    uint32_t end;
    /* 1: a check character was there, and right; 0: none. */
    uint32_t lrc;
} panseal_track;

/* Takes a swipe apart: track 1 or 2 (ISO/IEC 7813), with sentinels or without, '=' or 'D' between the fields of track
 * 2, the LRC checked where there is one. Reads the first track of a text that has both. PANSEAL_E_UNSUPPORTED for a
 * track 1 whose format code is another than B, that of banks: its layout is its owner's. */
PANSEAL_API
panseal_status panseal_track_parse(const char *text,
                                   size_t text_len,
                                   panseal_track *track,
                                   panseal_error *err);

/* Packed digits (EMV 57 and 5A, ISO 8583 DE 2 and 35) as text for panseal_track_parse or panseal_card.number, the filling
 * F at the end dropped. Up to 64 bytes; `cap` must be twice as many. panseal_wipe the text after use. */
PANSEAL_API
panseal_status panseal_bcd_unpack(const uint8_t *packed,
                                  size_t packed_len,
                                  char *out,
                                  size_t cap,
                                  size_t *len);

/* The card of a chip, from the values of EMV tags 57, 5A and 5F24 (EMV 4.3 Book 3); each may be absent, but not both of
 * the first two. What two of them tell must agree. The digits go to `out`, which needs PANSEAL_CHIP_ROOM bytes, and the
 * spans of `track` are offsets into it. */
PANSEAL_API
panseal_status panseal_chip_read(const uint8_t *tag57,
                                 size_t tag57_len,
                                 const uint8_t *tag5a,
                                 size_t tag5a_len,
                                 const uint8_t *tag5f24,
                                 size_t tag5f24_len,
                                 char *out,
                                 size_t cap,
                                 size_t *len,
                                 panseal_track *track,
                                 panseal_error *err);

/* As panseal_chip_read, from a whole TLV record (template 70, 77, 6F ... or bare), in which the tags are looked for. */
PANSEAL_API
panseal_status panseal_chip_record(const uint8_t *record,
                                   size_t record_len,
                                   char *out,
                                   size_t cap,
                                   size_t *len,
                                   panseal_track *track,
                                   panseal_error *err);

/* Reads EMV tag 5F30, the service code, 2 bytes: writes its 3 digits. PANSEAL_E_MALFORMED if it has another form. */
PANSEAL_API
panseal_status panseal_chip_service_code(const uint8_t *tag5f30,
                                         size_t tag5f30_len,
                                         char *out,
                                         size_t cap,
                                         size_t *len);

/* Reads EMV tag 5F34, 1 byte: the sequence number that tells cards of one number apart, 0..99. PANSEAL_E_MALFORMED if it
 * has another form. */
PANSEAL_API
panseal_status panseal_chip_sequence(const uint8_t *tag5f34,
                                     size_t tag5f34_len,
                                     int32_t *sequence);

/* Where the value of a tag lies in BER-TLV data. PANSEAL_E_MISSING where the tag is not there. */
PANSEAL_API
panseal_status panseal_tlv_find(const uint8_t *data,
                                size_t data_len,
                                uint32_t tag,
                                panseal_span *out,
                                panseal_error *err);

/* Field 2 of ISO 8583, the card number. The digits go to `out`, which needs PANSEAL_PAN_MAX bytes; *end (may be NULL)
 * says where the next field begins. */
PANSEAL_API
panseal_status panseal_iso8583_number(const uint8_t *field,
                                      size_t field_len,
                                      uint32_t form,
                                      char *out,
                                      size_t cap,
                                      size_t *len,
                                      size_t *end,
                                      panseal_error *err);

/* Field 14 of ISO 8583, the expiry, YYMM. */
PANSEAL_API
panseal_status panseal_iso8583_expiry(const uint8_t *field,
                                      size_t field_len,
                                      uint32_t form,
                                      int32_t *month,
                                      int32_t *year,
                                      panseal_error *err);

/* Field 35 of ISO 8583, track 2. The characters go to `out`, which needs 37 bytes, and into which the spans of `track` are
 * offsets; track->end is where the next field begins. */
PANSEAL_API
panseal_status panseal_iso8583_track2(const uint8_t *field,
                                      size_t field_len,
                                      uint32_t form,
                                      char *out,
                                      size_t cap,
                                      size_t *len,
                                      panseal_track *track,
                                      panseal_error *err);

/* ---- scanning -------------------------------------------------------------------------------------------- */

/* Digits without a break. */
#define PANSEAL_HIT_RUN 1

/* Digits in groups, as on a card. */
#define PANSEAL_HIT_GROUPED 2

/* Data of track 1. */
#define PANSEAL_HIT_TRACK1 3

/* Data of track 2, or of EMV tag 57 in hexadecimal. */
#define PANSEAL_HIT_TRACK2 4

/* The fewest places for hits that panseal_scanner_feed and panseal_scanner_finish take. */
#define PANSEAL_SCANNER_HITS 128

/* A handle on the scanning of a stream: a ticket, never to be dereferenced. */
typedef struct panseal_scanner panseal_scanner;

/* A card number that was found. */
typedef struct panseal_hit {
    /* Offset of its first byte. */
    size_t at;
    /* How many bytes it takes, separators counted. */
    size_t len;
    /* PANSEAL_HIT_...: in what form it stands. */
    int32_t form;
    /* Its network: panseal_network_name. */
    int32_t network;
    /* "424242******4242", ended by a NUL. */
    char masked[PANSEAL_MASK_ROOM];
} panseal_hit;

/* Finds card numbers in a text, or in any bytes, ASCII or UTF-16: log files, CSV, dumps. A find has a known network, a
 * length that it uses, a right check digit, and stands where a card number would; a track between its sentinels counts
 * also where the network is unknown. The hits must not overlap the text.
 *
 * Fills up to `cap` hits, in the order in which they stand; *count says how many. *next (may be NULL) is where to go on:
 * text_len at the end, else where the first hit begins that found no place. A text of any length is
 * taken; one that comes in pieces is for panseal_scanner_feed. */
PANSEAL_API
panseal_status panseal_scan(const char *text,
                            size_t text_len,
                            panseal_hit *hits,
                            size_t cap,
                            size_t *count,
                            size_t *next,
                            panseal_error *err);

/* Whether a text that is to be kept has a card number in it: *holds is 1 or 0. As panseal_scan, but it would rather say
 * yes once too often: letters next to a number do not save it, and networks that are a guess count. A text of any length
 * is taken. */
PANSEAL_API
panseal_status panseal_holds_card_number(const char *text,
                                         size_t text_len,
                                         int32_t *holds,
                                         panseal_error *err);

/* Begins to scan a stream that comes in pieces. What is found is what panseal_scan finds in all of it at once. */
PANSEAL_API panseal_status panseal_scanner_open(panseal_scanner **out, panseal_error *err);

/* Scans the next piece, of any length. Fills hits, `at` counted from the start of the stream; *count says how many. *used
 * says how much of the text was taken: go on behind that until all of it is. The more places (`cap`, at least
 * PANSEAL_SCANNER_HITS, else PANSEAL_E_ARGUMENT), the more is taken at once. Up to 1 KiB is held back for what follows,
 * so a hit may come with a later piece. The hits must not overlap the text. One thread at a time is inside. */
PANSEAL_API
panseal_status panseal_scanner_feed(panseal_scanner *scanner,
                                    const char *text,
                                    size_t text_len,
                                    panseal_hit *hits,
                                    size_t cap,
                                    size_t *count,
                                    size_t *used,
                                    panseal_error *err);

/* Scans what was held back: the stream is over, and the handle is at the start of another one. `hits`, `cap` and `count`
 * as for panseal_scanner_feed. */
PANSEAL_API
panseal_status panseal_scanner_finish(panseal_scanner *scanner,
                                      panseal_hit *hits,
                                      size_t cap,
                                      size_t *count,
                                      panseal_error *err);

/* Closes a scanner and wipes what it held back. NULL is fine. */
PANSEAL_API panseal_status panseal_scanner_close(panseal_scanner *scanner);

/* ---- root keys ------------------------------------------------------------------------------------------- */

/* An HSM or a KMS in place of a root key URI. `wrap` 1: wraps the `from_len` (32) bytes at `from` into `out`, at most
 * 1024 bytes; 0: unwraps what it made before into the 32 bytes that went in. *out_len is the room and becomes the
 * length. 0 is done; anything else ends the call with PANSEAL_E_CALLBACK, and err->system has it.
 *
 * `key_id` names the key ("epoch:3"), `context` the keyring or vault that it belongs to; both end with a NUL. A
 * service that binds what it wraps to a context should be given both.
 *
 * What it makes must be authenticated: an AEAD, a KMS, an HSM's key wrap, never encryption with a public key. Otherwise
 * whoever writes to the database, and can wrap a key of their own, can replace the whole key table by one of theirs, and
 * read what is sealed from then on; only panseal_open_options.commitment notices it.
 *
 * It is called when a handle is opened, when keys were changed, and in a forked child; from any thread that uses the
 * handle, from several at once. `userdata` must be good until the handle is closed and the last call on it has
 * returned. It must not throw, longjmp, or use the handle, keyring or vault that it is called for, except to close it. */
typedef int32_t (*panseal_root_fn)(void *userdata,
                                   int32_t wrap,
                                   const char *key_id,
                                   const char *context,
                                   const uint8_t *from,
                                   size_t from_len,
                                   uint8_t *out,
                                   size_t *out_len);

/* Makes a new random root key, readable by its owner alone: "file:PATH", or "components:PATH,PATH[,PATH]", two to
 * eight files, one for each custodian. Never overwrites: PANSEAL_E_ROOT_KEY with err->system EEXIST where something
 * is there already. Keep it away from vault and keyring, and keep a copy: without it nothing can be opened. */
PANSEAL_API
panseal_status panseal_root_create(const char *root,
                                   panseal_error *err);

/* Makes components of an existing root key (PCI DSS 3.6.1.2), "components:PATH,PATH[,PATH]": files as long as the key,
 * whose XOR it is; all but one of them tell nothing. The key stays where it is and goes on being good.
 * Never overwrites: PANSEAL_E_ROOT_KEY with err->system EEXIST, and no file is made. */
PANSEAL_API
panseal_status panseal_root_split(const char *root,
                                  const char *components,
                                  panseal_error *err);

/* ---- tokenizer ------------------------------------------------------------------------------------------- */

/* Make the vault or keyring where there is none; otherwise that is PANSEAL_E_NOT_A_VAULT. */
#define PANSEAL_OPEN_CREATE 1

/* This handle never detokenizes: a till that only sells. */
#define PANSEAL_OPEN_NO_REVEAL 2

/* Length of the public value that only one vault's keys have. */
#define PANSEAL_COMMITMENT_LEN 32

/* New tokens are made under this epoch. */
#define PANSEAL_EPOCH_ACTIVE 1

/* Its tokens still lead back to their numbers. */
#define PANSEAL_EPOCH_DECRYPT_ONLY 2

/* Its key is gone, and the way back from its tokens. */
#define PANSEAL_EPOCH_DESTROYED 3

/* Room for the check value of a key: ten hex digits and a NUL. */
#define PANSEAL_CHECK_ROOM 16

/* Said to panseal_tokenizer_destroy: no token under that epoch is left anywhere, and every process that uses the
 * keyring has noticed that it is no longer active. */
#define PANSEAL_TOKENS_ARE_GONE 1

/* 12 to 19 digits that a network's number could have. */
#define PANSEAL_SHAPE_PAN 1

/* 12 to 19 digits with a Luhn residue of 1 to 9, the slot: "ff1" or "surrogate". */
#define PANSEAL_SHAPE_NUMERIC_TOKEN 2

/* 48 lower-case hex digits: "random" or "siv". */
#define PANSEAL_SHAPE_HEX_TOKEN 4

/* 48 letters a to p: "siv:letters". */
#define PANSEAL_SHAPE_LETTERS_TOKEN 8

/* A UUID of version 4: "random:uuid". */
#define PANSEAL_SHAPE_UUID 16

/* 64 lower-case hex digits: "mac". */
#define PANSEAL_SHAPE_MAC 32

/* A handle on a tokenizer: a ticket, never to be dereferenced. */
typedef struct panseal_tokenizer panseal_tokenizer;

/* How to open a tokenizer or a vault; fields that do not concern it stay zero. The texts end with a NUL. */
typedef struct panseal_open_options {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_OPEN_..., or 0. */
    uint32_t flags;
    /* Vault: "sqlite:cards.db", "memory:", "postgres://user@host:5432,host:5432/database". Tokenizer: the path of its
     * keyring file. */
    const char *url;
    /* The root key, "file:PATH", "env:NAME" or "components:PATH,PATH[,PATH]"; NULL with root_fn. */
    const char *root;
    /* The tenant that this handle works for; NULL is "". */
    const char *merchant;
    /* How tokens are made. Vault: "random", as NULL, "random:uuid", "surrogate:K+L". Tokenizer: "ff1:0+4", "siv",
     * "siv:letters", "mac". */
    const char *scheme;
    /* Vault: who acts, for the audit trail; NULL is "". */
    const char *actor;
    /* Who wraps and unwraps keys, where no URI leads to the root key. */
    panseal_root_fn root_fn;
    /* Given to root_fn. */
    void *root_userdata;
    /* Vault: how long to wait for another writer before PANSEAL_E_BUSY; 0 is 5000. */
    uint32_t busy_timeout_ms;
    /* 0. */
    uint32_t reserved;
    /* The generation that panseal_tokenizer_status or panseal_vault_status told last; an older keyring file or vault
     * is PANSEAL_E_TAMPERED. 0: any. */
    int64_t min_generation;
    /* Another root key URI to try where `root` is not the right one, as in the middle of a change of the root key;
     * NULL: none. */
    const char *second_root;
    /* PANSEAL_COMMITMENT_LEN bytes that panseal_vault_status or panseal_tokenizer_commitment told: a vault or keyring
     * with another table key is PANSEAL_E_TAMPERED. NULL: any. */
    const uint8_t *commitment;
} panseal_open_options;

/* What the caller knows of the number behind a token. "ff1" has no integrity: a mistyped or foreign token leads to
 * some number, which this may tell from the right one. */
typedef struct panseal_expect {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* The card's network; 0: any. */
    int32_t network;
    /* The number's last four digits; absent: any. */
    panseal_text last4;
} panseal_expect;

/* What may be known of an epoch. Times are seconds since 1970 UTC. */
typedef struct panseal_epoch {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 1, 2, 3, ... */
    uint32_t id;
    /* PANSEAL_EPOCH_... */
    int32_t state;
    /* The Luhn residue of its numeric tokens, 1..9; 0: none, or freed. */
    uint32_t slot;
    /* When it was made. */
    int64_t created_at;
    /* When it ceased to be active; 0: it has not. */
    int64_t retired_at;
    /* By which people compare keys: five bytes of AES-CMAC in hex, ended by a NUL. */
    char check[PANSEAL_CHECK_ROOM];
} panseal_epoch;

/* Opens a tokenizer, or makes its keyring where PANSEAL_OPEN_CREATE says so. The root key is fetched first; if it
 * cannot be had, no file is made.
 *
 * PANSEAL_E_ARGUMENT for a scheme of the vault, or "ff1" with a keyring that was made for another scheme;
 * PANSEAL_E_UNSUPPORTED for "ff1" where this build lacks it; PANSEAL_E_DOMAIN for an "ff1:K+L" that no number has
 * room for: K+L is 4 at least, and seven digits stay hidden, so that "ff1:6+3" is the most for 16 digits
 * ("surrogate" in a vault keeps more); PANSEAL_E_NOT_A_VAULT where no keyring is; PANSEAL_E_TAMPERED for one that
 * was changed, cut, or is older than min_generation. */
PANSEAL_API
panseal_status panseal_tokenizer_open(const panseal_open_options *how,
                                      panseal_tokenizer **out,
                                      panseal_error *err);

/* Closes a handle. NULL is fine. Calls that are inside finish; the keys are wiped by whoever leaves last. */
PANSEAL_API panseal_status panseal_tokenizer_close(panseal_tokenizer *tokenizer);

/* The token of a card number under the active epoch: the same each time. Spaces and hyphens are dropped.
 *
 * PANSEAL_E_MISSING, PANSEAL_E_CHARSET, PANSEAL_E_LENGTH, PANSEAL_E_MALFORMED for what is no number. "ff1" refuses
 * also a number with too few hidden digits (PANSEAL_E_DOMAIN), with a wrong check digit (PANSEAL_E_LUHN), of an
 * unknown network or one that asks for no check digit (PANSEAL_E_NETWORK), or of a length that its network does not
 * use. */
PANSEAL_API
panseal_status panseal_tokenizer_tokenize(panseal_tokenizer *tokenizer,
                                          const char *number,
                                          size_t number_len,
                                          char *token,
                                          size_t cap,
                                          size_t *len,
                                          panseal_error *err);

/* The card number of a token, up to PANSEAL_PAN_MAX digits. panseal_wipe it after use. `expect` may be NULL.
 *
 * PANSEAL_E_TOKEN for what is no token of this scheme, keyring and merchant, as far as the scheme can tell, or whose
 * number is not as expected; PANSEAL_E_EPOCH where the epoch of an "ff1" token is destroyed; PANSEAL_E_IRREVERSIBLE
 * for "mac", and on a handle opened with PANSEAL_OPEN_NO_REVEAL. */
PANSEAL_API
panseal_status panseal_tokenizer_detokenize(panseal_tokenizer *tokenizer,
                                            const char *token,
                                            size_t token_len,
                                            const panseal_expect *expect,
                                            char *number,
                                            size_t cap,
                                            size_t *len,
                                            panseal_error *err);

/* The tokens of a column of numbers. Row i is at tokens + i * stride, with zeros behind it up to the next row;
 * `lengths` (may be NULL) and `status` have an entry a row. A row's status is PANSEAL_OK, what
 * panseal_tokenizer_tokenize would say of it, or PANSEAL_E_BUFFER where its token is longer than stride; unless it
 * is PANSEAL_OK, the row has length 0 and zeros. The result is PANSEAL_OK also when rows failed.
 *
 * PANSEAL_E_BUFFER, and nothing is done, where stride is too small for any token of the scheme; PANSEAL_E_ARGUMENT
 * where it is over 65536. Where keys
 * cannot be had any more in the middle of it, rows that were written stand. The arrays must not overlap the column. */
PANSEAL_API
panseal_status panseal_tokenizer_tokenize_many(panseal_tokenizer *tokenizer,
                                               const panseal_column *numbers,
                                               char *tokens,
                                               size_t stride,
                                               uint32_t *lengths,
                                               panseal_status *status,
                                               panseal_error *err);

/* The numbers of a column of tokens: panseal_tokenizer_tokenize_many the other way round; zeros behind a token of a
 * fixed width are ignored as spaces are. panseal_wipe the numbers after use.
 *
 * `last4` (may be NULL) has four bytes a row, the last four digits that are expected, or zeros; `network` (may be
 * NULL) the network that is expected, or 0: the columns that panseal_card_check_many writes. PANSEAL_E_ARGUMENT for
 * a number that is no network. */
PANSEAL_API
panseal_status panseal_tokenizer_detokenize_many(panseal_tokenizer *tokenizer,
                                                 const panseal_column *tokens,
                                                 const char *last4,
                                                 const uint8_t *network,
                                                 char *numbers,
                                                 size_t stride,
                                                 uint32_t *lengths,
                                                 panseal_status *status,
                                                 panseal_error *err);

/* The tokens of a card number under every epoch that is not destroyed, the newest first: under one of these names it
 * was stored, if it was. They stand one behind the other; each has *len / *count bytes. PANSEAL_E_BUFFER with *len =
 * enough. */
PANSEAL_API
panseal_status panseal_tokenizer_candidates(panseal_tokenizer *tokenizer,
                                            const char *number,
                                            size_t number_len,
                                            char *tokens,
                                            size_t cap,
                                            size_t *len,
                                            size_t *count,
                                            panseal_error *err);

/* A token's successor under the active epoch, or itself where that is its own. Replace it before its epoch is
 * destroyed. Refuses as panseal_tokenizer_detokenize does; a handle that never detokenizes may do this. `expect` may
 * be NULL. */
PANSEAL_API
panseal_status panseal_tokenizer_retokenize(panseal_tokenizer *tokenizer,
                                            const char *token,
                                            size_t token_len,
                                            const panseal_expect *expect,
                                            char *out,
                                            size_t cap,
                                            size_t *len,
                                            panseal_error *err);

/* Makes a new epoch, under which tokens are made from now on; the one before serves for the way back. The keyring file
 * is on disk before the first token is made. *epoch (may be NULL) is its id. PANSEAL_E_EXHAUSTED where "ff1" has no
 * slot left: nine epochs can be told apart. */
PANSEAL_API
panseal_status panseal_tokenizer_rotate(panseal_tokenizer *tokenizer,
                                        uint32_t *epoch,
                                        panseal_error *err);

/* Forgets an epoch's key for ever. A tokenizer stores no tokens and cannot know whether one needs it: PANSEAL_E_EPOCH
 * without PANSEAL_TOKENS_ARE_GONE in `flags`, and for an epoch that is active, destroyed already, or not there. */
PANSEAL_API
panseal_status panseal_tokenizer_destroy(panseal_tokenizer *tokenizer,
                                         uint32_t epoch,
                                         uint32_t flags,
                                         panseal_error *err);

/* Lets the slot (1..9) of a destroyed epoch be given to a new one. A token with that residue which still lies about
 * will then lead to somebody else's number. PANSEAL_E_ARGUMENT for a slot that is free, PANSEAL_E_EPOCH for one in
 * use. */
PANSEAL_API
panseal_status panseal_tokenizer_free_slot(panseal_tokenizer *tokenizer,
                                           uint32_t slot,
                                           panseal_error *err);

/* Wraps the keyring under another root key, a URI or a function, on which this handle goes on. Tokens stay what they
 * are. Other handles with the old root key answer PANSEAL_E_ROOT_KEY when they next read the file. */
PANSEAL_API
panseal_status panseal_tokenizer_change_root(panseal_tokenizer *tokenizer,
                                             const char *root,
                                             panseal_root_fn root_fn,
                                             void *root_userdata,
                                             panseal_error *err);

/* The keyring as it is in the file. *generation (may be NULL) grows with every change: keep it for
 * panseal_open_options.min_generation. Fills `cap` epochs, the oldest first; *count says how many there are:
 * PANSEAL_E_BUFFER where they are more than cap. epochs[0] must be PANSEAL_INITed; its struct_size is the stride of
 * the array. `epochs` NULL, with cap 0: *count alone. */
PANSEAL_API
panseal_status panseal_tokenizer_status(panseal_tokenizer *tokenizer,
                                        int64_t *generation,
                                        panseal_epoch *epochs,
                                        size_t cap,
                                        size_t *count,
                                        panseal_error *err);

/* The public value that only this keyring's keys have, PANSEAL_COMMITMENT_LEN bytes: keep it for
 * panseal_open_options.commitment. Zeros for a keyring that an older version made, until its next change. */
PANSEAL_API
panseal_status panseal_tokenizer_commitment(panseal_tokenizer *tokenizer,
                                            uint8_t *commitment,
                                            panseal_error *err);

/* Reads the keyring file again where it was changed, as happens by itself at the beginning of a batch and every few
 * hundred calls. *changed (may be NULL): 1 where it was, else 0. */
PANSEAL_API
panseal_status panseal_tokenizer_refresh(panseal_tokenizer *tokenizer,
                                         int32_t *changed,
                                         panseal_error *err);

/* What a string looks like, offline: *shapes is the sum of PANSEAL_SHAPE_..., 0 for none. A text may have several;
 * never a proof. *slot (may be NULL) is a numeric token's, else 0. */
PANSEAL_API
panseal_status panseal_classify(const char *text,
                                size_t text_len,
                                uint32_t *shapes,
                                uint32_t *slot);

/* ---- vault ----------------------------------------------------------------------------------------------- */

/* A new token for each call. */
#define PANSEAL_REUSE_NEVER 0

/* The token of before where the same customer's card is here already: the newest active one with the same token
 * scheme. A later expiry, and a name that is given with an expiry that is not earlier, take the place of its own. */
#define PANSEAL_REUSE_CUSTOMER 1

/* The token of before where the card is here already, whoever the customer is. */
#define PANSEAL_REUSE_MERCHANT 2

/* A handle on a vault: a ticket, never to be dereferenced. */
typedef struct panseal_vault panseal_vault;

/* How to tokenize. */
typedef struct panseal_tokenize_options {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_REUSE_... */
    int32_t reuse;
    /* "random", "random:uuid", "surrogate:K+L"; NULL: the handle's. */
    const char *scheme;
    /* Whose card it is, UTF-8, up to PANSEAL_ID_MAX bytes. PANSEAL_REUSE_CUSTOMER asks for one. As everything that is
     * kept in the clear, it must hold no card number: that is a violation of PANSEAL_PARAM_METADATA. */
    panseal_text customer;
    /* A name for this call, UTF-8, up to PANSEAL_ID_MAX bytes: whoever repeats it with the same card within 24 hours
     * gets the first result, with another card PANSEAL_E_CONFLICT. No card number either. Absent: none. */
    panseal_text idempotency_key;
    /* A JSON object of up to 16 members and PANSEAL_METADATA_MAX bytes, sealed beside the card; a violation of
     * PANSEAL_PARAM_METADATA where it is none, or holds a card number. Absent: none. */
    panseal_text metadata;
    /* Until when it is kept, in seconds since 1970 UTC: then panseal_vault_purge_expired removes it. 0: for ever. */
    int64_t keep_until;
    /* How many active tokens the customer may have, which panseal_vault_customer_create has made: PANSEAL_E_LIMIT for
     * one more, PANSEAL_E_ARGUMENT where there is no such customer. 0: any number. */
    uint32_t customer_limit;
    /* 0. */
    uint32_t reserved;
} panseal_tokenize_options;

/* A stored card, as it may be shown. Texts end with a NUL; times are seconds since 1970 UTC. */
typedef struct panseal_instrument {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 1, or 0 after panseal_vault_deactivate. */
    int32_t active;
    /* 1: the token existed before this call. */
    int32_t reused;
    /* 1..12, or 0 where no expiry was given. */
    int32_t expiry_month;
    /* 2000..2099, or 0. */
    int32_t expiry_year;
    /* The epoch under which the number is sealed. */
    uint32_t epoch;
    /* When the token was made. */
    int64_t created_at;
    /* Until when it is kept; 0: for ever. */
    int64_t keep_until;
    /* What stands for the card number. */
    char token[PANSEAL_TOKEN_ROOM];
    /* Whose card it is, or "". */
    char customer[PANSEAL_ID_ROOM];
    /* "VISA", "UNKNOWN". */
    char network[PANSEAL_NETWORK_ROOM];
    /* "424242******4242". */
    char masked[PANSEAL_MASK_ROOM];
    /* The last four digits. */
    char last4[8];
    /* 1: its rows do not open. But for the token all of the above is zero, the network is "UNKNOWN". */
    int32_t damaged;
    /* 0. */
    uint32_t reserved;
} panseal_instrument;

/* Opens a vault. The root key is fetched first; if it cannot be had, no file is made. A file that is something
 * else than a vault is left as it is.
 *
 * PANSEAL_E_NOT_A_VAULT where none is; PANSEAL_E_SCHEMA_NEWER; PANSEAL_E_TAMPERED for a vault older than
 * min_generation; PANSEAL_E_UNSUPPORTED for "postgres://..." where this build lacks it. */
PANSEAL_API
panseal_status panseal_vault_open(const panseal_open_options *how,
                                  panseal_vault **out,
                                  panseal_error *err);

/* Closes a handle. NULL is fine. Calls that are inside finish; the vault is closed when its last handle is. */
PANSEAL_API panseal_status panseal_vault_close(panseal_vault *vault);

/* A second handle, on the same store and keys, for another merchant. To be closed as any other. */
PANSEAL_API
panseal_status panseal_vault_merchant(panseal_vault *vault,
                                      const char *merchant,
                                      panseal_vault **out,
                                      panseal_error *err);

/* Checks a card, stores it, and gives its token, which is on disk on PANSEAL_OK. `options` may be NULL.
 *
 * PANSEAL_E_CARD with all violations in err where the card is refused; nothing is stored then. PANSEAL_E_DOMAIN and
 * PANSEAL_E_NETWORK where "surrogate" cannot be made of the number, PANSEAL_E_EXHAUSTED where all are issued. */
PANSEAL_API
panseal_status panseal_vault_tokenize(panseal_vault *vault,
                                      const panseal_card *card,
                                      const panseal_tokenize_options *options,
                                      panseal_instrument *out,
                                      panseal_error *err);

/* Stores up to PANSEAL_MANY_MAX cards in one transaction, with an outcome for each: a card that is refused does not
 * stand in the way of the others. `options_count` is 0, with `options` NULL; 1, for all cards; or count, one a card.
 *
 * status[i] is what panseal_vault_tokenize would answer for card i, or, of a card that is refused, the first thing
 * that is wrong with it: PANSEAL_E_MISSING .. PANSEAL_E_TOO_LONG; panseal_card_check tells all of them. The result is
 * PANSEAL_OK also when cards were refused; unless it is, nothing was stored and nothing written.
 *
 * cards[0], options[0] and instruments[0] must be PANSEAL_INITed: their struct_size is the stride of their array, and
 * all cards and options have it. `instruments` (may be NULL) has zeros for a card that was refused. The arrays must
 * not overlap. */
PANSEAL_API
panseal_status panseal_vault_tokenize_many(panseal_vault *vault,
                                           const panseal_card *cards,
                                           size_t count,
                                           const panseal_tokenize_options *options,
                                           size_t options_count,
                                           panseal_instrument *instruments,
                                           panseal_status *status,
                                           panseal_error *err);

/* What may be shown of a token's card. */
PANSEAL_API
panseal_status panseal_vault_lookup(panseal_vault *vault,
                                    const char *token,
                                    size_t token_len,
                                    panseal_instrument *out,
                                    panseal_error *err);

/* The card number of a token. panseal_wipe it after use. `number` needs PANSEAL_PAN_MAX bytes, however long the card
 * number is: less is PANSEAL_E_BUFFER before the vault is asked.
 *
 * `reason` (UTF-8, 1 to PANSEAL_REASON_MAX bytes) is written to the vault's audit trail with actor, time and token
 * before the number is given out, and stays there where the number is longer than cap; PANSEAL_E_CARD where it holds a
 * card number. PANSEAL_E_IRREVERSIBLE on a handle opened with PANSEAL_OPEN_NO_REVEAL. */
PANSEAL_API
panseal_status panseal_vault_detokenize(panseal_vault *vault,
                                        const char *token,
                                        size_t token_len,
                                        const char *reason,
                                        size_t reason_len,
                                        char *number,
                                        size_t cap,
                                        size_t *len,
                                        panseal_error *err);

/* Takes a token out of use: it can still be looked up, and no longer be detokenized. Doing so twice is fine. */
PANSEAL_API
panseal_status panseal_vault_deactivate(panseal_vault *vault,
                                        const char *token,
                                        size_t token_len,
                                        panseal_error *err);

/* ---- instruments ----------------------------------------------------------------------------------------- */

/* Those that are active. */
#define PANSEAL_QUERY_ACTIVE 1

/* Those that are not active. */
#define PANSEAL_QUERY_INACTIVE 2

/* Those that have no customer. */
#define PANSEAL_QUERY_NO_CUSTOMER 4

/* The expiry becomes another. */
#define PANSEAL_CHANGE_EXPIRY 1

/* The name becomes another; absent: none. */
#define PANSEAL_CHANGE_NAME 2

/* The customer becomes another; absent: none. */
#define PANSEAL_CHANGE_CUSTOMER 4

/* The metadata becomes another; absent: none. */
#define PANSEAL_CHANGE_METADATA 8

/* The time until which it is kept becomes another; 0: for ever. */
#define PANSEAL_CHANGE_KEEP_UNTIL 16

/* Which instruments are wanted; all zero: all of them. */
typedef struct panseal_query {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_QUERY_..., or 0. */
    uint32_t flags;
    /* Those of this customer. */
    panseal_text customer;
    /* Those behind this token, in the order of tokens. Absent: from the first. */
    panseal_text after;
    /* So many are passed over, up to 10000: to go through all of them, use after. */
    uint32_t offset;
    /* 0. */
    uint32_t reserved;
} panseal_query;

/* What becomes different of an instrument. A field is looked at where `fields` has its PANSEAL_CHANGE_..., and must be
 * zero where not. */
typedef struct panseal_change {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_CHANGE_... */
    uint32_t fields;
    /* 1..12. */
    int32_t expiry_month;
    /* 0..99, meaning 2000..2099, or 2000..2099. */
    int32_t expiry_year;
    /* The cardholder, UTF-8, Latin script, up to PANSEAL_NAME_MAX bytes. */
    panseal_text name;
    /* UTF-8, up to PANSEAL_ID_MAX bytes. */
    panseal_text customer;
    /* As in panseal_tokenize_options. */
    panseal_text metadata;
    /* Seconds since 1970 UTC. */
    int64_t keep_until;
} panseal_change;

/* Told of a damaged row. Kinds are "card", "instrument", "customer", "credential" for one that does not open,
 * "no_fingerprint" for a card that its number does not lead to, "no_card" for an instrument without its card,
 * "no_instrument" for a card without one. The id is an instrument's token, a card's id in hex, or that of a customer or
 * credential. The texts end with a NUL. Called on the thread of the call, with no lock held. It must not throw or
 * longjmp. An id or token that cannot be read is given as "unreadable " and its bytes in hex; panseal_vault_delete takes
 * such a token. */
typedef void (*panseal_damage_fn)(void *userdata, const char *kind, const char *merchant, const char *id);

/* What panseal_vault_purge_expired has removed. */
typedef struct panseal_purged {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 0. */
    uint32_t reserved;
    /* Instruments whose time was over. */
    uint64_t instruments;
    /* Cards that had no instrument left. */
    uint64_t cards;
    /* Idempotency keys older than a day. */
    uint64_t keys;
    /* Instruments whose time was over, and that are damaged: they are still there. panseal_vault_delete removes them. */
    uint64_t damaged;
} panseal_purged;

/* A page of the merchant's instruments, in the order of tokens, which is no order of time. `query` NULL: all of them.
 *
 * Up to cap are written, at most PANSEAL_LIST_MAX; *count says how many came, 0 is the end. To go on, ask again with
 * query->after the last one's token. page[0] must be PANSEAL_INITed: its struct_size is the stride of the array.
 * PANSEAL_E_ARGUMENT for cap 0, PANSEAL_E_LIMIT for an offset beyond 10000. */
PANSEAL_API
panseal_status panseal_vault_list(panseal_vault *vault,
                                  const panseal_query *query,
                                  panseal_instrument *page,
                                  size_t cap,
                                  size_t *count,
                                  panseal_error *err);

/* How many instruments a query has in all, wherever it begins. `query` NULL: all. Rows are counted, not opened: one that
 * somebody put into the database is counted too, and panseal_vault_list refuses it. */
PANSEAL_API
panseal_status panseal_vault_count(panseal_vault *vault,
                                   const panseal_query *query,
                                   uint64_t *count,
                                   panseal_error *err);

/* Is this card here? Its instruments, active or not, the newest first: up to cap are written, and *count says how many
 * there are; 0 where it is not here. One whose rows do not open is given as damaged. page[0] must be PANSEAL_INITed: its struct_size is the stride of the array.
 * `page` NULL, with cap 0: *count alone. Spaces and hyphens in the number are dropped.
 *
 * Confirms a guess at a card number, as tokenizing with reuse does: see panseal_vault_guard. PANSEAL_E_MISSING,
 * PANSEAL_E_CHARSET, PANSEAL_E_LENGTH, PANSEAL_E_MALFORMED for what is no number. */
PANSEAL_API
panseal_status panseal_vault_find(panseal_vault *vault,
                                  const char *number,
                                  size_t number_len,
                                  panseal_instrument *page,
                                  size_t cap,
                                  size_t *count,
                                  panseal_error *err);

/* The cardholder's name beside a token, up to PANSEAL_NAME_MAX bytes of UTF-8; of length 0 where there is none. */
PANSEAL_API
panseal_status panseal_vault_name(panseal_vault *vault,
                                  const char *token,
                                  size_t token_len,
                                  char *out,
                                  size_t cap,
                                  size_t *len,
                                  panseal_error *err);

/* The metadata beside a token as it was given, up to PANSEAL_METADATA_MAX bytes; of length 0 where there is none. */
PANSEAL_API
panseal_status panseal_vault_metadata(panseal_vault *vault,
                                      const char *token,
                                      size_t token_len,
                                      char *out,
                                      size_t cap,
                                      size_t *len,
                                      panseal_error *err);

/* Changes an instrument; `out` (may be NULL) is how it is then.
 *
 * PANSEAL_E_CARD for an expiry, name or metadata that is refused, which err tells; PANSEAL_E_ARGUMENT for a customer
 * or time that is not of its form, an unknown field, or one that is given and not named in `fields`. */
PANSEAL_API
panseal_status panseal_vault_update(panseal_vault *vault,
                                    const char *token,
                                    size_t token_len,
                                    const panseal_change *change,
                                    panseal_instrument *out,
                                    panseal_error *err);

/* Puts a deactivated token into use again. Doing so twice is fine. */
PANSEAL_API
panseal_status panseal_vault_reactivate(panseal_vault *vault,
                                        const char *token,
                                        size_t token_len,
                                        panseal_error *err);

/* Removes a token for ever, and the card with its last one. A surrogate is not issued again. A damaged one is removed
 * too, also one that is named "unreadable ..." because its token cannot be read. */
PANSEAL_API
panseal_status panseal_vault_delete(panseal_vault *vault,
                                    const char *token,
                                    size_t token_len,
                                    panseal_error *err);

/* Removes the merchant's instruments whose keep_until has passed, their cards, and idempotency keys older than a day;
 * `out` (may be NULL) says how many. Damaged ones are left and, in the end, named to `found` (may be NULL), which gets
 * `userdata`. In small transactions: others go on meanwhile, and where it fails, what was
 * removed is removed. */
PANSEAL_API
panseal_status panseal_vault_purge_expired(panseal_vault *vault,
                                           panseal_damage_fn found,
                                           void *userdata,
                                           panseal_purged *out,
                                           panseal_error *err);

/* ---- customers ------------------------------------------------------------------------------------------- */

/* A customer of the merchant's. Texts end with a NUL; times are seconds since 1970 UTC. It is about a person: not for
 * logs. */
typedef struct panseal_customer {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* How long its data is, in bytes: panseal_vault_customer_data. */
    uint32_t data_len;
    /* When it was made. */
    int64_t created_at;
    /* When it was changed last. */
    int64_t updated_at;
    /* When it was marked as deleted; 0: it is not. */
    int64_t deleted_at;
    /* Its id. */
    char id[PANSEAL_ID_ROOM];
    /* Another name that leads to it, or "". */
    char reference[PANSEAL_ID_ROOM];
    /* 1: its row does not open. But for the id all of the above is zero. */
    int32_t damaged;
    /* 0. */
    uint32_t reserved;
} panseal_customer;

/* Makes a customer. A vault needs none of them: panseal_tokenize_options.customer may be any id, but for a
 * customer_limit.
 *
 * `id` and `reference` (absent: none) are UTF-8 of up to PANSEAL_ID_MAX bytes; `data` (absent: none) is a text, UTF-8,
 * of up to PANSEAL_METADATA_MAX bytes, which is sealed. `out` may be NULL. PANSEAL_E_CONFLICT where the merchant has
 * one of that id or reference; PANSEAL_E_LIMIT for longer data; PANSEAL_E_CARD where a card number is in
 * one of them; PANSEAL_E_ARGUMENT. */
PANSEAL_API
panseal_status panseal_vault_customer_create(panseal_vault *vault,
                                             const char *id,
                                             size_t id_len,
                                             const char *reference,
                                             size_t reference_len,
                                             const char *data,
                                             size_t data_len,
                                             panseal_customer *out,
                                             panseal_error *err);

/* A customer by its id, also one that is marked as deleted. PANSEAL_E_TOKEN where there is none. */
PANSEAL_API
panseal_status panseal_vault_customer_get(panseal_vault *vault,
                                          const char *id,
                                          size_t id_len,
                                          panseal_customer *out,
                                          panseal_error *err);

/* A customer by its reference. PANSEAL_E_TOKEN where there is none. */
PANSEAL_API
panseal_status panseal_vault_customer_find(panseal_vault *vault,
                                           const char *reference,
                                           size_t reference_len,
                                           panseal_customer *out,
                                           panseal_error *err);

/* A customer's data, up to PANSEAL_METADATA_MAX bytes. PANSEAL_E_TOKEN where there is no such customer. */
PANSEAL_API
panseal_status panseal_vault_customer_data(panseal_vault *vault,
                                           const char *id,
                                           size_t id_len,
                                           char *out,
                                           size_t cap,
                                           size_t *len,
                                           panseal_error *err);

/* Puts other data in the place of a customer's. `out` may be NULL. PANSEAL_E_TOKEN where there is no such customer;
 * else as panseal_vault_customer_create. */
PANSEAL_API
panseal_status panseal_vault_customer_update(panseal_vault *vault,
                                             const char *id,
                                             size_t id_len,
                                             const char *data,
                                             size_t data_len,
                                             panseal_customer *out,
                                             panseal_error *err);

/* Marks a customer as deleted (`deleted` 1), or takes the mark away (0); its instruments stay. `out` may be NULL.
 * PANSEAL_E_TOKEN where there is no such customer. */
PANSEAL_API
panseal_status panseal_vault_customer_mark(panseal_vault *vault,
                                           const char *id,
                                           size_t id_len,
                                           int32_t deleted,
                                           panseal_customer *out,
                                           panseal_error *err);

/* Removes a customer for ever; its instruments stay. PANSEAL_E_TOKEN where there is no such customer. */
PANSEAL_API
panseal_status panseal_vault_customer_delete(panseal_vault *vault,
                                             const char *id,
                                             size_t id_len,
                                             panseal_error *err);

/* A page of the merchant's customers in the order of their ids, those behind `after` (absent: from the first), also
 * those that are marked as deleted; one whose row does not open is given as damaged. As panseal_vault_list: up to cap, at most PANSEAL_LIST_MAX; *count 0 is the end. */
PANSEAL_API
panseal_status panseal_vault_customer_list(panseal_vault *vault,
                                           const char *after,
                                           size_t after_len,
                                           panseal_customer *page,
                                           size_t cap,
                                           size_t *count,
                                           panseal_error *err);

/* ---- keys of a vault ------------------------------------------------------------------------------------- */

/* Bytes of an audit head. */
#define PANSEAL_AUDIT_HEAD_LEN 32

/* Told how many rows are done and how many there are. 0 goes on; anything else ends the call with PANSEAL_E_CALLBACK,
 * and err->system has it. Called on the thread of the call, with no lock held. It must not throw or longjmp. */
typedef int32_t (*panseal_progress_fn)(void *userdata, uint64_t done, uint64_t total);

/* The state of a vault. */
typedef struct panseal_vault_state {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* The version of its tables. */
    int32_t schema;
    /* Grows with every change of the keys: keep it for panseal_open_options.min_generation. */
    int64_t generation;
    /* Cards of all merchants. */
    uint64_t cards;
    /* Instruments of all merchants. */
    uint64_t instruments;
    /* The generation of the index key, under which 'same card?' is answered. */
    uint32_t index;
    /* How many index keys are in force: 1, or 2 while panseal_vault_change_index is under way. */
    uint32_t index_count;
    /* "sqlite", "memory" or "postgres". */
    char store[PANSEAL_WORD_ROOM];
    /* A public value that only this vault's keys have: keep it for panseal_open_options.commitment. */
    uint8_t commitment[PANSEAL_COMMITMENT_LEN];
    /* Cards that 'same card?' misses, for they have no fingerprint under the index key; panseal_vault_change_index gives
     * each one. */
    uint64_t unindexed;
    /* 1: detokenizing is refused where no actor is named. */
    int32_t require_actor;
    /* 0. */
    uint32_t reserved;
    /* Names the last lines of all merchants' audit trails: keep it elsewhere, for panseal_vault_verify_audit. */
    uint8_t audit_head[PANSEAL_AUDIT_HEAD_LEN];
} panseal_vault_state;

/* An epoch of a vault, and how many rows of all merchants need it. Times are seconds since 1970 UTC. */
typedef struct panseal_vault_epoch {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 1, 2, 3, ... */
    uint32_t id;
    /* PANSEAL_EPOCH_... */
    int32_t state;
    /* 0. */
    uint32_t reserved;
    /* When it was made. */
    int64_t created_at;
    /* When it ceased to be active; 0: it has not. */
    int64_t retired_at;
    /* Cards sealed under it. */
    uint64_t cards;
    /* Instruments sealed under it. */
    uint64_t instruments;
    /* Customers sealed under it. */
    uint64_t customers;
    /* Credentials sealed under it. */
    uint64_t credentials;
    /* By which people compare keys: five bytes of AES-CMAC in hex, ended by a NUL. */
    char check[PANSEAL_CHECK_ROOM];
} panseal_vault_epoch;

/* Makes a new epoch: from now on everything is sealed under it, and what is sealed under older ones opens as before.
 * Tokens stay what they are. *epoch (may be NULL) is its id. */
PANSEAL_API
panseal_status panseal_vault_rotate(panseal_vault *vault,
                                    uint32_t *epoch,
                                    panseal_error *err);

/* Seals every row of every merchant under the active epoch, in small transactions, while others go on. *sealed (may be
 * NULL) is how many rows it was. Stopped or killed, it loses nothing; called again, it goes on with those that are
 * left. Damaged rows are left as they are and, in the end, named to `found` (may be NULL); *damaged (may be NULL) is how
 * many there are. `progress` (may be NULL) is told how far it is, once every few hundred rows, and may stop it. Both
 * functions get `userdata`. */
PANSEAL_API
panseal_status panseal_vault_rewrap(panseal_vault *vault,
                                    panseal_progress_fn progress,
                                    panseal_damage_fn found,
                                    void *userdata,
                                    uint64_t *sealed,
                                    uint64_t *damaged,
                                    panseal_error *err);

/* Forgets an epoch's key for ever: what it sealed, in backups too, opens no more. PANSEAL_E_EPOCH for the active
 * epoch, one that is not there or destroyed already, and one that a row still needs: panseal_vault_rewrap first,
 * and panseal_vault_destroy_even_if_damaged where it has left none but damaged ones. */
PANSEAL_API
panseal_status panseal_vault_destroy(panseal_vault *vault,
                                     uint32_t epoch,
                                     panseal_error *err);

/* Changes the index key, by which the vault knows a card again: gives every card a fingerprint under a new one and
 * forgets the old one, while others go on. *generation (may be NULL) is the new one. Stopped or killed, call it again:
 * it goes on with the new key that is there. Damaged cards get no fingerprint. They are named, and `progress` is told,
 * as with panseal_vault_rewrap. */
PANSEAL_API
panseal_status panseal_vault_change_index(panseal_vault *vault,
                                          panseal_progress_fn progress,
                                          panseal_damage_fn found,
                                          void *userdata,
                                          uint32_t *generation,
                                          uint64_t *damaged,
                                          panseal_error *err);

/* Wraps the vault's keys under another root key, a URI or a function, on which the handles of this vault go on. Other
 * processes go on too; they need the new root key when they next ask for a key that they have not loaded.
 *
 * Until this returns the old root key opens the vault, from then on the new one; where it is interrupted it may be
 * either: open with both (panseal_open_options.second_root). PANSEAL_E_ROOT_KEY where the root key at hand is not the
 * vault's; nothing is changed then. */
PANSEAL_API
panseal_status panseal_vault_change_root(panseal_vault *vault,
                                         const char *root,
                                         panseal_root_fn root_fn,
                                         void *root_userdata,
                                         panseal_error *err);

/* Sets, for whoever opens the vault, whether detokenizing is refused with PANSEAL_E_ARGUMENT where no actor is named: 1
 * or 0. */
PANSEAL_API
panseal_status panseal_vault_require_actor(panseal_vault *vault,
                                           int32_t required,
                                           panseal_error *err);

/* The state of the vault, of all merchants, in `state` (may be NULL). Fills `cap` epochs, the oldest first; *count
 * says how many there are: PANSEAL_E_BUFFER where they are more than cap. epochs[0] must be PANSEAL_INITed; its
 * struct_size is the stride of the array. `epochs` NULL, with cap 0: none of them. Reads every row: for an operator,
 * not for every minute. */
PANSEAL_API
panseal_status panseal_vault_status(panseal_vault *vault,
                                    panseal_vault_state *state,
                                    panseal_vault_epoch *epochs,
                                    size_t cap,
                                    size_t *count,
                                    panseal_error *err);

/* ---- damaged rows of a vault ----------------------------------------------------------------------------- */

/* Walks over all rows of all merchants, opens each, and names those that are damaged to `found` (may be NULL) in the
 * end. *rows and *damaged (may be NULL) are how many there were. Changes nothing. `progress` (may be NULL) as with
 * panseal_vault_rewrap; both functions get `userdata`.
 *
 * A damaged row stops no other: panseal_vault_list, panseal_vault_find and panseal_vault_customer_list give it as
 * damaged, panseal_vault_purge_expired, panseal_vault_rewrap and panseal_vault_change_index pass it over and name it,
 * panseal_vault_delete removes an instrument. */
PANSEAL_API
panseal_status panseal_vault_check(panseal_vault *vault,
                                   panseal_progress_fn progress,
                                   panseal_damage_fn found,
                                   void *userdata,
                                   uint64_t *rows,
                                   uint64_t *damaged,
                                   panseal_error *err);

/* panseal_vault_destroy, though rows name the epoch that do not open: they never will again, not even if the damage is
 * mended. They are named to `found` (may be NULL); *damaged (may be NULL) is how many there are. PANSEAL_E_EPOCH as with panseal_vault_destroy, and where a
 * single one of them opens. */
PANSEAL_API
panseal_status panseal_vault_destroy_even_if_damaged(panseal_vault *vault,
                                                     uint32_t epoch,
                                                     panseal_damage_fn found,
                                                     void *userdata,
                                                     uint64_t *damaged,
                                                     panseal_error *err);

/* ---- audit and guard ------------------------------------------------------------------------------------- */

/* Bytes of a line's id. */
#define PANSEAL_LINE_ID_LEN 16

/* What is wrong with a line of the audit trail: nothing. */
#define PANSEAL_AUDIT_WHOLE 0

/* It says something else than what was written. */
#define PANSEAL_AUDIT_EDITED 1

/* It is gone. */
#define PANSEAL_AUDIT_REMOVED 2

/* It was not written by the vault. */
#define PANSEAL_AUDIT_INSERTED 3

/* It stands at another place than it was written to. */
#define PANSEAL_AUDIT_REORDERED 4

/* It and all behind it are gone. */
#define PANSEAL_AUDIT_CUT 5

/* Which lines of the audit trail are wanted; all zero: all of them. */
typedef struct panseal_audit_query {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 0. */
    uint32_t reserved;
    /* Those about this token. Absent: all. */
    panseal_text token;
    /* Those behind the line with this id. Zeros: from the first. */
    uint8_t after[PANSEAL_LINE_ID_LEN];
} panseal_audit_query;

/* A line of the audit trail. Texts end with a NUL. */
typedef struct panseal_audit_line {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 0. */
    uint32_t reserved;
    /* When, in seconds since 1970 UTC. */
    int64_t at;
    /* Ascending in the order of the trail, which is the same for everybody. */
    uint8_t id[PANSEAL_LINE_ID_LEN];
    /* "tokenize", "reuse", "refuse", "detokenize", "update", "deactivate", "reactivate", "delete", "purge",
     * "customer", "rotate", "rewrap", "destroy", "change_index", "change_root", "settings", "grant",
     * "revoke", "prune". */
    char action[PANSEAL_WORD_ROOM];
    /* Who acted, or "". */
    char actor[PANSEAL_ID_ROOM];
    /* The token that was acted on, or "". */
    char token[PANSEAL_TOKEN_ROOM];
    /* Why, or "". */
    char reason[PANSEAL_REASON_ROOM];
} panseal_audit_line;

/* What panseal_vault_verify_audit has found. Texts end with a NUL. */
typedef struct panseal_audit_report {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_AUDIT_...: what is wrong with the first line that something is wrong with. */
    uint32_t fault;
    /* Merchants with a trail. */
    uint64_t merchants;
    /* Their chains, but for those that were pruned. */
    uint64_t chains;
    /* Lines that are joined: none of them can be changed or cut off unnoticed. */
    uint64_t joined;
    /* Lines behind the last join of their chain: the last ones of these can be cut off unnoticed. */
    uint64_t unjoined;
    /* Lines that were pruned. */
    uint64_t pruned;
    /* The chain and the place in it of the line that something is wrong with; 0 is a main chain. */
    int64_t fault_chain;
    /* Its place. */
    int64_t fault_seq;
    /* Its id, or zeros. */
    uint8_t fault_id[PANSEAL_LINE_ID_LEN];
    /* Its table: "audit", "audit_main" or "chain". */
    char fault_table[PANSEAL_WORD_ROOM];
    /* Its merchant. */
    char fault_merchant[PANSEAL_ID_ROOM];
} panseal_audit_report;

/* Sees an operation before it happens: for which merchant, by which actor, of which kind, on how many cards or tokens.
 * 0 lets it go on; anything else ends the call with PANSEAL_E_CALLBACK, without effect.
 *
 * Kinds are "tokenize", "lookup", "find", "list", "detokenize", "update", "deactivate", "reactivate", "delete",
 * "audit", "customer", "purge", "rotate", "rewrap", "destroy", "change_index", "change_root", "settings", "credential",
 * "check", "status", "verify", "prune".
 * The texts end with a NUL. Called on the thread of the call, with no lock held, from several threads at once. It must
 * not throw or longjmp. */
typedef int32_t (*panseal_guard_fn)(void *userdata,
                                    const char *merchant,
                                    const char *actor,
                                    const char *kind,
                                    size_t count);

/* A page of the merchant's audit trail, the oldest line first. `query` NULL: all of it. As panseal_vault_list: up to
 * cap, at most PANSEAL_LIST_MAX; *count 0 is the end; to go on, ask again with query->after the last line's id. What is
 * committed is in it, and whoever goes on so sees each line once. PANSEAL_E_CONFLICT for lines behind one that was
 * pruned.
 * lines[0] must be PANSEAL_INITed: its struct_size is the stride of the array. */
PANSEAL_API
panseal_status panseal_vault_audit(panseal_vault *vault,
                                   const panseal_audit_query *query,
                                   panseal_audit_line *lines,
                                   size_t cap,
                                   size_t *count,
                                   panseal_error *err);

/* Checks the audit trail of all merchants, and says in `report` what is there and what is wrong first. `head` (NULL: none)
 * has the PANSEAL_AUDIT_HEAD_LEN bytes that panseal_vault_status gave before: then the trail must go on from what was
 * there at that time; without it an older state as a whole is not noticed. A trail with a fault is PANSEAL_OK too. Reads
 * every line: for an operator, not for every minute. */
PANSEAL_API
panseal_status panseal_vault_verify_audit(panseal_vault *vault,
                                          const uint8_t *head,
                                          panseal_audit_report *report,
                                          panseal_error *err);

/* Removes the merchant's lines of the audit trail that are older than `before`, in seconds since 1970 UTC; *pruned (may
 * be NULL) is how many. The rest can be checked as before. Stopped or killed, call it again. Whoever asks for the lines
 * behind one that was pruned gets PANSEAL_E_CONFLICT where others between them were pruned too. */
PANSEAL_API
panseal_status panseal_vault_prune_audit(panseal_vault *vault,
                                         int64_t before,
                                         uint64_t *pruned,
                                         panseal_error *err);

/* Has `guard` asked before every operation of this handle, and of all that are related to it by
 * panseal_vault_merchant, from now on; NULL: nobody. What the guard refuses is PANSEAL_E_CALLBACK, with its answer in
 * err->system.
 *
 * Whoever may tokenize with reuse, or panseal_vault_find, can confirm a guess at a card number: a guard can count and
 * slow down. `userdata` must be good until the guard is taken away, or the last of these handles closed, and all calls
 * that were inside have returned. */
PANSEAL_API
panseal_status panseal_vault_guard(panseal_vault *vault,
                                   panseal_guard_fn guard,
                                   void *userdata,
                                   panseal_error *err);

/* ---- dialects -------------------------------------------------------------------------------------------- */

/* A longer body is refused unread, in the provider's own words. */
#define PANSEAL_BODY_MAX 65536

/* Room that is enough for the reply to every request but a GET, in bytes. */
#define PANSEAL_REPLY_MAX 16384

/* Bytes of a bearer key. */
#define PANSEAL_BEARER_KEY_LEN 69

/* The longest signing key, in bytes. */
#define PANSEAL_SIGNING_KEY_MAX 253

/* The longest list of scopes, in bytes. */
#define PANSEAL_SCOPES_MAX 256

/* Size of a field with a list of scopes. */
#define PANSEAL_SCOPES_ROOM 264

/* The host has authenticated the caller: act for this handle's merchant, with every scope. Never set because of
 * anything that the caller sends. */
#define PANSEAL_REQUEST_TRUSTED 1

/* An HTTP request as it came in. */
typedef struct panseal_request {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* PANSEAL_REQUEST_... */
    uint32_t flags;
    /* The time by which expiries and signatures are judged, in seconds since 1970 UTC; 0: the system clock. */
    int64_t now;
    /* "sumup", "stax", "pace" or "webpay". */
    const char *dialect;
    /* How this place is set up, "name=value" with a space between them: of sumup max_instruments and merchant_code, of
     * pace merchant_name, of webpay wp3_v2. NULL: as the provider has it. */
    const char *settings;
    /* The method: "POST". */
    panseal_text method;
    /* Path and query as on the request line, "/v2/customers?limit=10". Signatures are over exactly this. */
    panseal_text target;
    /* The header lines as on the wire, each "Name: value" and a line end. */
    panseal_text headers;
    /* The body. More than PANSEAL_BODY_MAX bytes are refused in the provider's own words. */
    panseal_text body;
    /* With PANSEAL_REQUEST_TRUSTED: the user on whose behalf, where the dialect has users. Absent: nobody. */
    panseal_text subject;
    /* What stands before the target in URLs of replies, "https://pay.example.org". Absent: nothing. */
    panseal_text base;
} panseal_request;

/* What became of a request. */
typedef struct panseal_response {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* The HTTP status: 201, 400, ... */
    int32_t status;
    /* Of a status of 500 why: the code of what failed in the vault, PANSEAL_E_BUSY for example. Else PANSEAL_OK. */
    panseal_status failure;
    /* errno, or the database's own code, or 0. */
    int32_t system;
    /* reply[0 .. headers_len): header lines, each "Name: value\r\n". */
    size_t headers_len;
    /* reply[headers_len .. headers_len + body_len): the body. */
    size_t body_len;
} panseal_response;

/* What a new credential is to stand for: always this handle's merchant. */
typedef struct panseal_grant {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 0. */
    uint32_t reserved;
    /* Where it may be presented: "sumup", "stax", "pace" or "webpay". */
    const char *dialect;
    /* Whom it stands for, where the dialect has users: UTF-8, up to PANSEAL_ID_MAX bytes. Absent: nobody. */
    panseal_text subject;
    /* What it allows: names with a space between them, up to PANSEAL_SCOPES_MAX bytes. */
    panseal_text scopes;
    /* From when on it is refused, in seconds since 1970 UTC; 0: never. */
    int64_t expires_at;
} panseal_grant;

/* A credential, without what is secret of it. Texts end with a NUL; times are seconds since 1970 UTC. */
typedef struct panseal_credential {
    /* Set by PANSEAL_INIT. */
    uint32_t struct_size;
    /* 0. */
    uint32_t reserved;
    /* When it was made. */
    int64_t created_at;
    /* From when on it is refused; 0: never. */
    int64_t expires_at;
    /* When it was revoked; 0: it was not. */
    int64_t revoked_at;
    /* Its id: the first bytes of a bearer key, the caller's name for a signing key. */
    char id[PANSEAL_ID_ROOM];
    /* Where it may be presented. */
    char dialect[PANSEAL_ID_ROOM];
    /* Whom it stands for, or "". */
    char subject[PANSEAL_ID_ROOM];
    /* What it allows. */
    char scopes[PANSEAL_SCOPES_ROOM];
} panseal_credential;

/* Answers a request as the provider would: PANSEAL_OK, also where the answer is a refusal (400, 401, 422 ...) or says
 * that the vault failed (500). Nothing is stored where the status is not 2xx.
 *
 * The reply is laid into `reply`: header lines, then the body; a NUL follows where there is room for one. One call, one
 * effect: for a method other than GET, less room than PANSEAL_REPLY_MAX is PANSEAL_E_BUFFER before anything happens.
 * Only the reply to a GET, which changes nothing, may need more: PANSEAL_E_BUFFER, *len says how much, ask again. No
 * reply holds a card number. PANSEAL_E_ARGUMENT for a dialect that is none, and for settings or a base that are not of
 * their form. */
PANSEAL_API
panseal_status panseal_vault_handle(panseal_vault *vault,
                                    const panseal_request *request,
                                    panseal_response *response,
                                    char *reply,
                                    size_t cap,
                                    size_t *len,
                                    panseal_error *err);

/* Makes a bearer key of PANSEAL_BEARER_KEY_LEN bytes in ASCII, for `Authorization: Bearer KEY` (RFC 6750). It cannot be
 * had again: the vault keeps its hash. panseal_wipe it after use. PANSEAL_E_ARGUMENT for a field that is not of its
 * form, PANSEAL_E_CARD for a subject that holds a card number. */
PANSEAL_API
panseal_status panseal_vault_grant(panseal_vault *vault,
                                   const panseal_grant *grant,
                                   char *key,
                                   size_t cap,
                                   size_t *len,
                                   panseal_error *err);

/* Registers a signing key of 1 to PANSEAL_SIGNING_KEY_MAX bytes under the id that a caller presents beside a signature,
 * UTF-8 of 1 to PANSEAL_ID_MAX bytes: for webpay the authenticity token and the merchant key. The vault keeps it
 * sealed. PANSEAL_E_CONFLICT where there is a credential of that id; PANSEAL_E_ARGUMENT. */
PANSEAL_API
panseal_status panseal_vault_grant_signing(panseal_vault *vault,
                                           const panseal_grant *grant,
                                           const char *id,
                                           size_t id_len,
                                           const char *key,
                                           size_t key_len,
                                           panseal_error *err);

/* Has a credential of this handle's merchant refused from now on. Doing so twice is fine. PANSEAL_E_TOKEN where there
 * is none of that id. */
PANSEAL_API
panseal_status panseal_vault_revoke(panseal_vault *vault,
                                    const char *id,
                                    size_t id_len,
                                    panseal_error *err);

/* A page of the merchant's credentials in the order of their ids, those behind `after` (absent: from the first), also
 * revoked ones. As panseal_vault_list: up to cap, at most PANSEAL_LIST_MAX; *count 0 is the end. page[0] must be
 * PANSEAL_INITed: its struct_size is the stride of the array. */
PANSEAL_API
panseal_status panseal_vault_credentials(panseal_vault *vault,
                                         const char *after,
                                         size_t after_len,
                                         panseal_credential *page,
                                         size_t cap,
                                         size_t *count,
                                         panseal_error *err);

/* Zeroes a struct and sets its struct_size: PANSEAL_INIT(card). */
#define PANSEAL_INIT(record) panseal_struct_init(&(record), sizeof(record))

#ifdef __cplusplus
}
#endif
#endif /* PANSEAL_H */
