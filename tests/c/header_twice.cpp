/* The header stands alone and may be included twice: checked as every C++ standard, nothing is run. */
#include <panseal.h>
#include <panseal.h>

/* Every macro that is a number is one where the preprocessor needs it. */
#if PANSEAL_ABI < 1 || PANSEAL_PAN_MAX != 19 || PANSEAL_OK != 0 || PANSEAL_E_INTERNAL != 999
#error "a macro of panseal.h is not the number it must be"
#endif

/* Every struct is complete, and its maxima are usable as array bounds. */
struct header_twice {
    panseal_violation violation;
    panseal_error error;
    panseal_text text;
    panseal_card card;
    panseal_card_info info;
    panseal_open_options how;
    panseal_tokenize_options options;
    panseal_instrument instrument;
    char number[PANSEAL_PAN_MAX + 1];
    char token[PANSEAL_TOKEN_MAX + 1];
    char masked[PANSEAL_MASK_MAX + 1];
    char id[PANSEAL_ID_MAX + 1];
};

/* Handles are incomplete types: only pointers to them exist. */
panseal_vault *header_twice_vault(struct header_twice *all, panseal_vault *vault);

panseal_vault *header_twice_vault(struct header_twice *all, panseal_vault *vault)
{
    PANSEAL_INIT(all->card);
    return vault;
}
