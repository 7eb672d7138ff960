/* Wrong calls of the functions about providers' APIs and credentials; and that right ones do what the header says. */
#include "misuse.h"

/* ---- the functions ---- */

static panseal_status run_handle(struct call *c)
{
    return panseal_vault_handle(c->vault, c->request, c->response, c->out, c->cap, c->len, c->err);
}

static panseal_status run_grant(struct call *c)
{
    return panseal_vault_grant(c->vault, c->grant, c->out, c->cap, c->len, c->err);
}

static panseal_status run_grant_signing(struct call *c)
{
    return panseal_vault_grant_signing(c->vault, c->grant, c->text.ptr, c->text.len, c->second.ptr, c->second.len, c->err);
}

static panseal_status run_revoke(struct call *c)
{
    return panseal_vault_revoke(c->vault, c->text.ptr, c->text.len, c->err);
}

static panseal_status run_credentials(struct call *c)
{
    return panseal_vault_credentials(c->vault, c->second.ptr, c->second.len, c->credential, c->page_cap, c->count, c->err);
}

static const struct function ask = {"panseal_vault_handle", run_handle};
static const struct function make_grant = {"panseal_vault_grant", run_grant};
static const struct function sign = {"panseal_vault_grant_signing", run_grant_signing};
static const struct function revoke = {"panseal_vault_revoke", run_revoke};
static const struct function credentials = {"panseal_vault_credentials", run_credentials};

static const struct function *const verbs[] = {&ask, &make_grant, &sign, &revoke, &credentials};

/* The first bytes of a bearer key are its id. */
enum { KEY_ID = 20 };

static panseal_grant grant_for(const char *dialect)
{
    panseal_grant grant;
    PANSEAL_INIT(grant);
    grant.dialect = dialect;
    grant.subject = words("user-1");
    grant.scopes = words("payment_instruments other");
    return grant;
}

/* A request to create a token, as it should be. */
static panseal_request creation(void)
{
    panseal_request request;
    PANSEAL_INIT(request);
    request.flags = PANSEAL_REQUEST_TRUSTED;
    request.dialect = "webpay";
    request.method = words("POST");
    request.target = words("/v2/tokens");
    request.body = words("{\"type\":\"card\",\"card\":{\"pan\":\"" NUMBER "\",\"expiration_date\":\"4012\"}}");
    return request;
}

/* What these functions take, as it should be. */
void begin_dialect(struct call *c)
{
    static char fresh[32];
    static unsigned long serial;
    const struct function *f = c->function;

    c->request = &c->in.request;
    c->response = &c->to.response;
    c->grant = &c->in.grant;
    c->credential = &c->to.credential;
    c->in.request = creation();
    c->in.grant = grant_for("sumup");
    if (f == &ask) {
        c->out = c->to.reply;
        c->cap = sizeof c->to.reply;
    } else if (f == &sign) {
        snprintf(fresh, sizeof fresh, "signer-%lu", ++serial);
        c->text = given(c, fresh, strlen(fresh));
        c->second = given(c, "qwert1234", 9);
    } else if (f == &revoke) {
        char key[PANSEAL_BEARER_KEY_LEN];
        size_t len;
        HOLDS(panseal_vault_grant(good_vault, &c->in.grant, key, sizeof key, &len, NULL) == PANSEAL_OK);
        c->text = given(c, key, KEY_ID);
        panseal_wipe(key, sizeof key);
    }
}

/* ---- wrong calls ---- */

static const char filler[PANSEAL_BODY_MAX + 2] = {0};

static void request_rows(void)
{
    for (int bit = 1; bit < 32; ++bit) {
        ROW(ask, PANSEAL_E_ARGUMENT, c->at = bit; c->request->flags |= (uint32_t)1 << bit);
    }
    ROW(ask, PANSEAL_OK, c->err = NULL);
    ROW(ask, PANSEAL_E_NULL, c->request->dialect = NULL);
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->dialect = "");
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->dialect = "paypal");
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->dialect = literal(c, 'd', 100000));
    ROW(ask, PANSEAL_E_UTF8, c->request->dialect = "\xff");
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->settings = "colour=blue");
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->settings = "wp3_v2");
    ROW(ask, PANSEAL_OK, c->request->settings = "wp3_v2=on");
    ROW(ask, PANSEAL_E_UTF8, c->request->method = words("\xff"));
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->method.len = SIZE_MAX);
    ROW(ask, PANSEAL_OK, c->request->method.ptr = NULL /* refused by the provider */);
    ROW(ask, PANSEAL_E_UTF8, c->request->target = words("/\xff"));
    ROW(ask, PANSEAL_OK, c->request->target = words("") /* not found */);
    ROW(ask, PANSEAL_OK, c->request->target = bytes(filler, PANSEAL_BODY_MAX) /* not found */);
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->target = bytes(filler, PANSEAL_BODY_MAX + 1));
    ROW(ask, PANSEAL_OK, c->request->headers = bytes(filler, 1000));
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->headers.len = SIZE_MAX; c->request->headers.ptr = filler);
    ROW(ask, PANSEAL_OK, c->request->body.len = 0);
    ROW(ask, PANSEAL_OK, c->request->body = bytes(filler, sizeof filler) /* refused by the provider */);
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->body.len = SIZE_MAX);
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->body.len = (size_t)PTRDIFF_MAX);
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->flags = 0; c->request->subject = words("user-1"));
    ROW(ask, PANSEAL_E_UTF8, c->request->subject = words("\xff"));
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->base = words("https://a\r\nb: c"));
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->base = words("https://a\"b"));
    ROW(ask, PANSEAL_E_ARGUMENT, c->request->base = bytes(filler, 1025));
    ROW(ask, PANSEAL_E_UTF8, c->request->base = words("\xff"));
    ROW(ask, PANSEAL_OK, c->request->now = INT64_MIN);
    ROW(ask, PANSEAL_OK, c->request->now = INT64_MAX);

    /* Before anything happens: nothing is stored, as the files show. */
    ROW(ask, PANSEAL_E_BUFFER, c->cap = 0);
    ROW(ask, PANSEAL_E_BUFFER, c->cap = PANSEAL_REPLY_MAX - 1);
    ROW(ask, PANSEAL_E_NULL, c->out = NULL);
    ROW(ask, PANSEAL_E_NULL, c->len = NULL);
    ROW(ask, PANSEAL_E_BUFFER, c->request->method = words("GET"); c->cap = 1);
}

static void credential_rows(void)
{
    static const struct function *const of_grant[] = {&make_grant, &sign};
    for (size_t i = 0; i < COUNT(of_grant); ++i) {
        const struct function *f = of_grant[i];
        ROW(*f, PANSEAL_OK, c->err = NULL);
        ROW(*f, PANSEAL_E_NULL, c->grant->dialect = NULL);
        ROW(*f, PANSEAL_E_ARGUMENT, c->grant->dialect = "");
        ROW(*f, PANSEAL_E_ARGUMENT, c->grant->dialect = literal(c, 'd', PANSEAL_ID_MAX + 1));
        ROW(*f, PANSEAL_E_UTF8, c->grant->dialect = "\xff");
        ROW(*f, PANSEAL_E_ARGUMENT, c->grant->reserved = 1);
        ROW(*f, PANSEAL_E_ARGUMENT, c->grant->subject = bytes(filler, PANSEAL_ID_MAX + 1));
        ROW(*f, PANSEAL_E_UTF8, c->grant->subject = words("\xff"));
        ROW(*f, PANSEAL_OK, c->grant->scopes = filled(c, 's', PANSEAL_SCOPES_MAX));
        ROW(*f, PANSEAL_E_ARGUMENT, c->grant->scopes = filled(c, 's', PANSEAL_SCOPES_MAX + 1));
        ROW(*f, PANSEAL_E_UTF8, c->grant->scopes = words("\xff"));
        ROW(*f, PANSEAL_OK, c->grant->expires_at = INT64_MAX);
    }
    ROW(make_grant, PANSEAL_E_BUFFER, c->cap = PANSEAL_BEARER_KEY_LEN - 1);
    ROW(make_grant, PANSEAL_OK, c->cap = PANSEAL_BEARER_KEY_LEN);
    ROW(make_grant, PANSEAL_E_NULL, c->out = NULL);
    ROW(make_grant, PANSEAL_E_NULL, c->len = NULL);
    ROW(sign, PANSEAL_E_NULL, c->text.len = 0);
    ROW(sign, PANSEAL_E_NULL, c->second.ptr = NULL);
    ROW(sign, PANSEAL_E_UTF8, c->text = given(c, "\xff", 1));
    ROW(sign, PANSEAL_E_ARGUMENT, c->text = filled(c, 'i', PANSEAL_ID_MAX + 1));
    ROW(sign, PANSEAL_E_ARGUMENT, c->text = given(c, "psk_aaaa", 8) /* as a bearer key */);
    ROW(sign, PANSEAL_OK, c->second = filled(c, 'k', PANSEAL_SIGNING_KEY_MAX));
    ROW(sign, PANSEAL_E_ARGUMENT, c->second = filled(c, 'k', PANSEAL_SIGNING_KEY_MAX + 1));
    ROW(sign, PANSEAL_E_ARGUMENT, c->second.len = SIZE_MAX);
    ROW(sign, PANSEAL_OK, c->text = given(c, "taken", 5));
    ROW(sign, PANSEAL_E_CONFLICT, c->text = given(c, "taken", 5));
    ROW(revoke, PANSEAL_OK, c->err = NULL);
    ROW(revoke, PANSEAL_E_NULL, c->text.ptr = NULL);
    ROW(revoke, PANSEAL_E_TOKEN, c->text.len -= 1);
    ROW(revoke, PANSEAL_E_UTF8, c->text = given(c, "\xff", 1));
    ROW(revoke, PANSEAL_E_ARGUMENT, c->text = filled(c, 'i', PANSEAL_ID_MAX + 1));
    ROW(revoke, PANSEAL_E_ARGUMENT, c->text.len = SIZE_MAX);
    ROW(credentials, PANSEAL_OK, c->err = NULL);
    ROW(credentials, PANSEAL_E_NULL, c->count = NULL);
    ROW(credentials, PANSEAL_E_NULL, c->credential = NULL);
    ROW(credentials, PANSEAL_E_ARGUMENT, c->page_cap = 0);
    ROW(credentials, PANSEAL_E_ARGUMENT, c->page_cap = SIZE_MAX);
    ROW(credentials, PANSEAL_E_UTF8, c->second = given(c, "\xff", 1));
    ROW(credentials, PANSEAL_E_ARGUMENT, c->second = filled(c, 'i', PANSEAL_ID_MAX + 1));
}

static void dialect_struct_rows(void)
{
    STRUCT(ask, request, INPUT);
    STRUCT(ask, response, OUTPUT);
    STRUCT(ask, err, ERROR);
    STRUCT(make_grant, grant, INPUT);
    STRUCT(make_grant, err, ERROR);
    STRUCT(sign, grant, INPUT);
    STRUCT(sign, err, ERROR);
    STRUCT(revoke, err, ERROR);
    STRUCT(credentials, credential, OUTPUT);
    STRUCT(credentials, err, ERROR);
}

/* ---- right calls ---- */

static panseal_vault *shop;
static char reply[PANSEAL_REPLY_MAX + 1];
static panseal_response response;

static int asked(const char *dialect, const char *method, const char *target, const char *headers, const char *body)
{
    panseal_request request;
    size_t len;
    PANSEAL_INIT(request);
    PANSEAL_INIT(response);
    request.dialect = dialect;
    request.method = words(method);
    request.target = words(target);
    request.headers = words(headers);
    request.body = words(body);
    HOLDS(panseal_vault_handle(shop, &request, &response, reply, sizeof reply, &len, NULL) == PANSEAL_OK);
    HOLDS(response.headers_len + response.body_len == len && reply[len] == 0 && response.failure == PANSEAL_OK);
    HOLDS(response.headers_len == 0 || memcmp(reply + response.headers_len - 2, "\r\n", 2) == 0);
    HOLDS(strstr(reply, NUMBER) == NULL);
    return response.status;
}

/* A caller with a key of its own, from the first call to the last after the key was revoked. */
static void with_a_key(void)
{
    static const char card[] = "{\"type\":\"card\",\"card\":{\"name\":\"Ada Byron\",\"number\":\"" NUMBER "\","
                               "\"expiry_year\":\"40\",\"expiry_month\":\"12\",\"cvv\":\"123\"}}";
    static const char instruments[] = "/v0.1/customers/c-1/payment-instruments";
    panseal_grant grant = grant_for("sumup");
    panseal_credential listed[2];
    char header[128], key[PANSEAL_BEARER_KEY_LEN];
    size_t len, count;

    HOLDS(panseal_vault_grant(shop, &grant, key, sizeof key, &len, NULL) == PANSEAL_OK && len == sizeof key);
    snprintf(header, sizeof header, "Authorization: Bearer %.*s\r\n", (int)sizeof key, key);
    HOLDS(asked("sumup", "POST", "/v0.1/customers", header, "{\"customer_id\":\"c-1\"}") == 201);
    HOLDS(asked("sumup", "POST", instruments, header, card) == 201);
    HOLDS(strstr(reply, "\"last_4_digits\":\"4242\"") != NULL);
    HOLDS(strncmp(reply, "Content-Type: application/json\r\n", 32) == 0);
    HOLDS(asked("sumup", "POST", instruments, "", card) == 401);
    HOLDS(asked("stax", "GET", "/payment-method", header, "") == 401);
    HOLDS(asked("sumup", "GET", instruments, header, "") == 200 && reply[response.headers_len] == '[');

    PANSEAL_INIT(listed[0]);
    HOLDS(panseal_vault_credentials(shop, NULL, 0, listed, 2, &count, NULL) == PANSEAL_OK && count == 1);
    HOLDS(memcmp(listed[0].id, key, KEY_ID) == 0 && strcmp(listed[0].dialect, "sumup") == 0);
    HOLDS(strcmp(listed[0].subject, "user-1") == 0 && strcmp(listed[0].scopes, "payment_instruments other") == 0);
    HOLDS(listed[0].created_at > 0 && listed[0].expires_at == 0 && listed[0].revoked_at == 0);
    HOLDS(panseal_vault_revoke(shop, key, KEY_ID, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_revoke(shop, key, KEY_ID, NULL) == PANSEAL_OK);
    HOLDS(asked("sumup", "GET", instruments, header, "") == 401);
    HOLDS(panseal_vault_credentials(shop, listed[0].id, KEY_ID, listed, 2, &count, NULL) == PANSEAL_OK && count == 0);
    HOLDS(panseal_vault_credentials(shop, NULL, 0, listed, 2, &count, NULL) == PANSEAL_OK && listed[0].revoked_at > 0);
}

static int32_t refuses(void *userdata, const char *merchant, const char *actor, const char *kind, size_t count)
{
    (void)userdata, (void)merchant, (void)actor, (void)count;
    return strcmp(kind, "tokenize") == 0;
}

/* The host vouches: a refusal of the provider's and one of the host's guard are replies. */
static void with_the_host(void)
{
    panseal_request request = creation();
    uint64_t before, after;
    size_t len;

    PANSEAL_INIT(response);
    HOLDS(panseal_vault_handle(shop, &request, &response, reply, sizeof reply, &len, NULL) == PANSEAL_OK);
    HOLDS(response.status == 200 && strstr(reply, "\"status\":\"approved\"") != NULL);
    HOLDS(panseal_vault_count(shop, NULL, &before, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_guard(shop, refuses, NULL, NULL) == PANSEAL_OK);
    HOLDS(panseal_vault_handle(shop, &request, &response, reply, sizeof reply, &len, NULL) == PANSEAL_OK);
    HOLDS(response.status == 429 && response.failure == PANSEAL_OK);
    HOLDS(panseal_vault_guard(shop, NULL, NULL, NULL) == PANSEAL_OK);
    request.body = words("{");
    HOLDS(panseal_vault_handle(shop, &request, &response, reply, sizeof reply, &len, NULL) == PANSEAL_OK);
    HOLDS(strstr(reply, "invalid-request") != NULL);
    HOLDS(panseal_vault_count(shop, NULL, &after, NULL) == PANSEAL_OK && after == before);

    /* The reply may lie over what was asked. */
    request = creation();
    memcpy(reply, request.body.ptr, request.body.len);
    request.body.ptr = reply;
    HOLDS(panseal_vault_handle(shop, &request, &response, reply, sizeof reply, &len, NULL) == PANSEAL_OK);
    HOLDS(response.status == 200 && strstr(reply, NUMBER) == NULL);
}

static void right_calls(void)
{
    panseal_open_options how = good_options();
    how.url = "memory:";
    HOLDS(panseal_vault_open(&how, &shop, NULL) == PANSEAL_OK);
    with_a_key();
    with_the_host();
    HOLDS(panseal_vault_close(shop) == PANSEAL_OK);
}

void dialect_rows(void)
{
    request_rows();
    credential_rows();
    dialect_struct_rows();
    right_calls();
}

void dialect_handle_rows(const char *row, uintptr_t bits)
{
    for (size_t i = 0; i < COUNT(verbs); ++i) {
        struct call *c = begin(verbs[i]);
        memcpy(&c->vault, &bits, sizeof bits);
        end(c, row, PANSEAL_E_HANDLE);
    }
}
