// The same card as in smoke_c89.c, in C++98 with its strings, its cleanup and two merchants. argv[1] is an empty
// directory. It links only where the header's functions are declared extern "C".
#include <panseal.h>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

namespace {

void must(panseal_status status, const char *what)
{
    if (status != PANSEAL_OK) {
        throw std::runtime_error(std::string(what) + ": " + panseal_status_text(status));
    }
}

void must_be(bool holds, const char *what)
{
    if (!holds) {
        throw std::runtime_error(what);
    }
}

// Closes what it holds.
class Handle {
public:
    Handle() : vault_(NULL) {}
    ~Handle() { panseal_vault_close(vault_); }
    panseal_vault **out() { return &vault_; }
    panseal_vault *get() const { return vault_; }

private:
    Handle(const Handle &);
    Handle &operator=(const Handle &);
    panseal_vault *vault_;
};

void run(const std::string &directory)
{
    const std::string number("5555555555554444");
    const std::string url("sqlite:" + directory + "/cards.db");
    const std::string root("file:" + directory + "/cards.root");

    panseal_card card;
    PANSEAL_INIT(card);
    card.number.ptr = number.data();
    card.number.len = number.size();
    panseal_card_info info;
    PANSEAL_INIT(info);
    must(panseal_card_check(&card, &info, NULL), "check");
    must_be(std::string(info.network) == "MASTERCARD", "the network");

    must(panseal_root_create(root.c_str(), NULL), "root_create");
    panseal_open_options how;
    PANSEAL_INIT(how);
    how.flags = PANSEAL_OPEN_CREATE;
    how.url = url.c_str();
    how.root = root.c_str();
    Handle first, second;
    must(panseal_vault_open(&how, first.out(), NULL), "open");
    must(panseal_vault_merchant(first.get(), "m2", second.out(), NULL), "merchant");

    const std::string customer("c-1");
    panseal_tokenize_options options;
    PANSEAL_INIT(options);
    options.scheme = "random";
    options.customer.ptr = customer.data();
    options.customer.len = customer.size();
    panseal_instrument made;
    PANSEAL_INIT(made);
    must(panseal_vault_tokenize(first.get(), &card, &options, &made, NULL), "tokenize");
    const std::string token(made.token);
    must_be(std::string(made.customer) == customer, "the customer");

    panseal_instrument found;
    PANSEAL_INIT(found);
    must(panseal_vault_lookup(first.get(), token.data(), token.size(), &found, NULL), "lookup");
    must_be(std::string(found.last4) == "4444", "the last four");
    must_be(panseal_vault_lookup(second.get(), token.data(), token.size(), &found, NULL) == PANSEAL_E_TOKEN,
            "another merchant's token");

    char out[PANSEAL_PAN_MAX + 1];
    std::size_t len = 0;
    must(panseal_vault_detokenize(first.get(), token.data(), token.size(), "test", 4, out, sizeof out, &len, NULL),
         "detokenize");
    must_be(std::string(out, len) == number, "the number");
    panseal_wipe(out, sizeof out);
    must(panseal_vault_deactivate(first.get(), token.data(), token.size(), NULL), "deactivate");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::printf("usage: smoke_cxx98 DIRECTORY\n");
        return 2;
    }
    try {
        run(argv[1]);
    } catch (const std::exception &error) {
        std::printf("%s\n", error.what());
        return 1;
    }
    std::printf("0 failed\n");
    return 0;
}
