/* What free_watch.c watches: a program that lets the library put the marker on its heap, or puts it there itself.
 *
 *     free_watch_child (root|open) MARKER DIRECTORY    a long path of a root key, made of the marker
 *     free_watch_child card NUMBER DIRECTORY           a card, through the vault and back
 *     free_watch_child (freed|grown) MARKER DIRECTORY  no library: a block that is given back unwiped
 */
#include <panseal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char uri[2048];
static char number[32];

/* Beyond the size that Rust's standard library would keep on the stack. */
static const char *long_root(const char *marker, const char *directory)
{
    size_t len = (size_t)snprintf(uri, sizeof uri, "file:%s", directory);
    while (len < 1024) {
        len += (size_t)snprintf(uri + len, sizeof uri - len, "/%s", marker);
    }
    return uri;
}

static int with_open(const char *root, const char *url, panseal_status expected, panseal_vault **vault)
{
    panseal_open_options how;
    PANSEAL_INIT(how);
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = url;
    how.root = root;
    return panseal_vault_open(&how, vault, NULL) == expected;
}

static int with_card(const char *digits, const char *directory)
{
    static char url[1024];
    panseal_vault *vault = NULL;
    panseal_card card;
    panseal_instrument made;
    size_t len = 0;
    int good;

    snprintf(uri, sizeof uri, "file:%s/cards.root", directory);
    snprintf(url, sizeof url, "sqlite:%s/cards.db", directory);
    PANSEAL_INIT(card);
    card.number.ptr = digits;
    card.number.len = strlen(digits);
    PANSEAL_INIT(made);
    good = panseal_root_create(uri, NULL) == PANSEAL_OK && with_open(uri, url, PANSEAL_OK, &vault)
        && panseal_vault_tokenize(vault, &card, NULL, &made, NULL) == PANSEAL_OK
        && panseal_vault_lookup(vault, made.token, strlen(made.token), &made, NULL) == PANSEAL_OK
        && panseal_vault_detokenize(vault, made.token, strlen(made.token), "test", 4, number, sizeof number, &len,
                                    NULL) == PANSEAL_OK
        && panseal_vault_deactivate(vault, made.token, strlen(made.token), NULL) == PANSEAL_OK
        && panseal_vault_close(vault) == PANSEAL_OK;
    return good && strcmp(number, digits) == 0;
}

/* The marker lies beyond what malloc writes over; a second block keeps the first from growing in place. */
static int without_library(const char *marker, int grow)
{
    char *block = malloc(512), *behind = malloc(512);
    if (block == NULL || behind == NULL) {
        return 0;
    }
    memset(behind, 1, 512);
    strcpy(block + 64, marker);
    if (grow) {
        char *grown = realloc(block, 100000);
        if (grown == NULL) {
            return 0;
        }
        panseal_wipe(grown, 100000);
        block = grown;
    }
    free(block);
    free(behind);
    return 1;
}

int main(int argc, char **argv)
{
    panseal_vault *vault = NULL;
    int good = 0;
    if (argc != 4) {
        return 2;
    }
    if (strcmp(argv[1], "root") == 0) {
        good = panseal_root_create(long_root(argv[2], argv[3]), NULL) == PANSEAL_E_ROOT_KEY;
    } else if (strcmp(argv[1], "open") == 0) {
        good = with_open(long_root(argv[2], argv[3]), "sqlite:never.db", PANSEAL_E_ROOT_KEY, &vault);
    } else if (strcmp(argv[1], "card") == 0) {
        good = with_card(argv[2], argv[3]);
    } else if (strcmp(argv[1], "freed") == 0 || strcmp(argv[1], "grown") == 0) {
        good = without_library(argv[2], strcmp(argv[1], "grown") == 0);
    }
    return good ? 0 : 3;
}
