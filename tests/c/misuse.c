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

static int reports(const struct call *c)
{
    return c->function != &card_mask && c->function != &vault_close;
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

struct call *begin(const struct function *function)
{
    static struct call call;
    struct call *c = &call;
    for (int i = 0; i < BLOCKS; ++i) {
        free(c->blocks[i]);
    }
    memset(c, 0, sizeof *c);
    c->function = function;

    PANSEAL_INIT(c->in.card);
    c->in.card.number = given(c, NUMBER, sizeof NUMBER - 1);
    PANSEAL_INIT(c->in.options);
    c->in.how = good_options();
    memset(&c->to, PATTERN, sizeof c->to);
    c->to.info.struct_size = sizeof c->to.info;
    c->to.instrument.struct_size = sizeof c->to.instrument;
    c->to.err.struct_size = sizeof c->to.err;

    c->vault = good_vault;
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
    if (function == &card_mask) {
        c->text = given(c, NUMBER, sizeof NUMBER - 1);
    } else if (function == &vault_deactivate) {
        c->text = given(c, victim.token, strlen(victim.token));
    } else {
        c->text = given(c, known.token, strlen(known.token));
    }
    if (function == &root_create) {
        char path[512];
        unlink(path_of(path, "fresh.root"));
        c->literal = root_of("fresh.root");
    }
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

static uint64_t digest_of_files(void)
{
    uint64_t digest = 0xcbf29ce484222325u;
    for (int i = 0; i < 2; ++i) {
        unsigned char chunk[4096];
        off_t at = 0;
        ssize_t got;
        while ((got = pread(files[i], chunk, sizeof chunk, at)) > 0) {
            for (ssize_t k = 0; k < got; ++k) {
                digest = (digest ^ chunk[k]) * 0x100000001b3u;
            }
            at += got;
        }
        if (got < 0) {
            die("the vault's files cannot be read");
        }
    }
    return digest;
}

static void check_guards(const struct outputs *to)
{
    const unsigned char *guards[] = {to->before_info, to->before_instrument, to->before_text, to->before_len,
                                     to->before_vault, to->before_err, to->after_err};
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
    PANSEAL_INIT(seen);
    status = panseal_vault_lookup(good_vault, known.token, strlen(known.token), &seen, NULL);
    if (status != PANSEAL_OK || memcmp(&seen, &known, sizeof seen) != 0) {
        complain(" the vault has changed;");
    }
}

static panseal_status run(struct call *c, panseal_status expected)
{
    struct inputs in;
    struct outputs to;
    uint64_t digest = digest_of_files();
    panseal_status status;

    memcpy(&in, &c->in, sizeof in);
    memcpy(&to, &c->to, sizeof to);
    complaint[0] = 0;
    status = c->function->run(c);

    if (status != expected) {
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
        }
        if (memcmp(&to, &c->to, sizeof to) != 0) {
            complain(" an output was written to;");
        }
        if (digest != digest_of_files()) {
            complain(" a file was written to;");
        }
    }
    check_vault();
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
}

panseal_status end(struct call *c, const char *name, panseal_status expected)
{
    panseal_status status = run(c, expected);
    tidy(c, status);
    count(c->function->name, name, c->at);
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

static int table(const char *place)
{
    directory = place;
    make_vault();
    open_files();
    library_rows();
    argument_rows();
    struct_rows();
    text_rows();
    buffer_rows();
    file_rows();
    handle_rows();
    thread_rows();
    process_rows();
    HOLDS(panseal_vault_close(good_vault) == PANSEAL_OK);
    HOLDS(panseal_vault_close(good_vault) == PANSEAL_E_HANDLE);
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
