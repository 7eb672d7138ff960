/* Wrong calls: files that are no vault, root keys that are none or another vault's. */
#include "misuse.h"

#include <sys/stat.h>
#include <unistd.h>

/* A file's content as it is now. */
struct content {
    unsigned char *bytes;
    size_t size;
};

static struct content content_of(const char *name)
{
    struct content content = {NULL, 0};
    char path[512];
    FILE *file = fopen(path_of(path, name), "rb");
    if (file != NULL) {
        content.bytes = malloc(1 << 20);
        if (content.bytes == NULL) {
            abort();
        }
        content.size = fread(content.bytes, 1, 1 << 20, file);
        fclose(file);
    }
    return content;
}

static void write_file(const char *name, const void *bytes, size_t size, mode_t mode)
{
    char path[512];
    FILE *file = fopen(path_of(path, name), "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0 || chmod(path, mode) != 0) {
        abort();
    }
}

static int is_there(const char *name, const char *suffix)
{
    char path[512], whole[544];
    snprintf(whole, sizeof whole, "%s%s", path_of(path, name), suffix);
    return access(whole, F_OK) == 0;
}

/* No vault at that place, with or without leave to make one: an error, and the file stays as it is. */
static void refuse_file(const char *name, const char *what, uint32_t flags, panseal_status expected)
{
    struct content before = content_of(name), after;
    char row[128];
    struct call *c = begin(&vault_open);
    c->how->url = url_of(name);
    c->how->flags = flags;
    snprintf(row, sizeof row, "%s%s", what, flags == 0 ? "" : ", and a vault may be made");
    end(c, row, expected);
    after = content_of(name);
    holds(row, before.size == after.size
          && (before.size == 0 || memcmp(before.bytes, after.bytes, before.size) == 0));
    holds("no journal beside it",
          !is_there(name, "-wal") && !is_there(name, "-journal") && !is_there(name, "-shm"));
    free(before.bytes);
    free(after.bytes);
}

static void refuse_root(const char *name, const char *what)
{
    struct call *c = begin(&vault_open);
    c->how->root = root_of(name);
    end(c, what, PANSEAL_E_ROOT_KEY);
}

void file_rows(void)
{
    static const char text[] = "These are the cards of the customers of the shop at the corner, one a line, in ink\n";
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    unsigned char bytes[8192];
    char path[512];
    panseal_open_options how;
    panseal_vault *other = NULL;

    /* Files. */
    refuse_file("absent.db", "the file is absent", 0, PANSEAL_E_NOT_A_VAULT);
    HOLDS(!is_there("absent.db", ""));
    write_file("text.db", text, sizeof text - 1, 0600);
    write_file("short.db", "SQLite format 3", 15, 0600);
    for (size_t i = 0; i < sizeof bytes; ++i) {
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    }
    write_file("noise.db", bytes, sizeof bytes, 0600);
    memcpy(bytes, "SQLite format 3", 16);
    write_file("header.db", bytes, sizeof bytes, 0600);
    if (mkdir(path_of(path, "folder.db"), 0700) != 0) {
        abort();
    }
    for (uint32_t flags = 0; flags <= PANSEAL_OPEN_CREATE; flags += PANSEAL_OPEN_CREATE) {
        refuse_file("text.db", "the file is a text", flags, PANSEAL_E_NOT_A_VAULT);
        refuse_file("short.db", "the file is a part of a header", flags, PANSEAL_E_NOT_A_VAULT);
        refuse_file("noise.db", "the file is noise", flags, PANSEAL_E_NOT_A_VAULT);
        refuse_file("header.db", "the file is noise behind a good name", flags, PANSEAL_E_NOT_A_VAULT);
        refuse_file("folder.db", "the file is a folder", flags, PANSEAL_E_NOT_A_VAULT);
        refuse_file("other.db", "the file is somebody else's database", flags, PANSEAL_E_NOT_A_VAULT);
    }
    write_file("empty.db", "", 0, 0600);
    refuse_file("empty.db", "the file is empty", 0, PANSEAL_E_NOT_A_VAULT);
    ROW(vault_open, PANSEAL_E_STORE, c->how->url = url_of("absent/cards.db"); c->how->flags = PANSEAL_OPEN_CREATE);

    /* Root keys. Without a good one nothing is made. */
    refuse_root("absent.root", "the root key is absent");
    write_file("empty.root", "", 0, 0600);
    refuse_root("empty.root", "the root key is empty");
    write_file("short.root", zeros, 63, 0600);
    refuse_root("short.root", "the root key is too short");
    write_file("long.root", zeros, 65, 0600);
    refuse_root("long.root", "the root key is too long");
    memset(bytes, '0', sizeof bytes);
    write_file("huge.root", bytes, sizeof bytes, 0600);
    refuse_root("huge.root", "the root key is much too long");
    memset(bytes, 'g', 64);
    write_file("wrong.root", bytes, 64, 0600);
    refuse_root("wrong.root", "the root key is not hexadecimal");
    memset(bytes, 0xff, 64);
    write_file("binary.root", bytes, 64, 0600);
    refuse_root("binary.root", "the root key is binary");
    write_file("group.root", zeros, 64, 0640);
    refuse_root("group.root", "the group may read the root key");
    write_file("world.root", zeros, 64, 0644);
    refuse_root("world.root", "everybody may read the root key");
    if (mkdir(path_of(path, "folder.root"), 0700) != 0) {
        abort();
    }
    refuse_root("folder.root", "the root key is a folder");
    HOLDS(panseal_root_create(root_of("other.root"), NULL) == PANSEAL_OK);
    refuse_root("other.root", "the root key is another vault's");
    ROW(vault_open, PANSEAL_E_ROOT_KEY, c->how->url = url_of("never.db"); c->how->flags = PANSEAL_OPEN_CREATE;
        c->how->root = root_of("world.root"));
    HOLDS(!is_there("never.db", ""));
    ROW(root_create, PANSEAL_E_ROOT_KEY, c->literal = root_of("absent/cards.root"));
    ROW(root_create, PANSEAL_E_ROOT_KEY, c->literal = root_of("folder.root"));
    HOLDS(access(path_of(path, "absent"), F_OK) != 0);

    /* A second vault beside the first: its tokens and its key are its own. */
    how = good_options();
    how.url = url_of("second.db");
    how.root = root_of("other.root");
    how.flags = PANSEAL_OPEN_CREATE;
    HOLDS(panseal_vault_open(&how, &other, NULL) == PANSEAL_OK);
    ROW(vault_lookup, PANSEAL_E_TOKEN, c->vault = other);
    HOLDS(panseal_vault_close(other) == PANSEAL_OK);
    ROW(vault_open, PANSEAL_E_ROOT_KEY, c->how->url = url_of("second.db"));
    HOLDS(is_there("second.db", "") && !is_there("second.db", "-wal"));
}
