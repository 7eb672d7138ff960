// SumUp's JavaScript SDK of today: npm `@sumup/sdk`.

import SumUp, { APIError } from "@sumup/sdk";
import { expect, rejected } from "./expect.mjs";

const { URL, ID, SUMUP_KEY, SUMUP_KEY_WITHOUT_SCOPE, AMEX } = process.env;
const host = `${URL}/sumup`;
const id = `node-${ID}`;
const client = new SumUp({ apiKey: SUMUP_KEY, host });
const customers = client.customers;

const address = { line_1: "1 Mill Lane", city: "Leeds", postal_code: "LS1 1AA", country: "GB" };
const details = { first_name: "Ada", last_name: "Byron", birth_date: "1990-12-10", address };
const made = await customers.create({ customer_id: id, personal_details: details });
expect("a customer is created", made, { customer_id: id, personal_details: details });
expect("and found", await customers.get(id), made);
const changed = await customers.update(id, { personal_details: { last_name: "King" } });
expect("an update changes what it names alone", changed.personal_details, { ...details, last_name: "King" });

const path = `/v0.1/customers/${id}/payment-instruments`;
const card = { name: "Ada Byron", number: AMEX, expiry_year: "2030", expiry_month: "04", cvv: "1234" };
expect("a new customer has no instruments", await customers.listPaymentInstruments(id), []);
const created = await client.postWithResponse({ path, body: { type: "card", card } });
expect("an instrument is created over its HTTP client", created.response.status, 201);
const listed = await customers.listPaymentInstruments(id);
expect("and listed as it was answered", listed, [created.data]);
expect("with network and last four", listed[0].card, { last_4_digits: "0005", type: "AMEX" });
const done = await customers.deactivatePaymentInstrumentWithResponse(id, listed[0].token);
expect("it is deactivated", done.response.status, 204);
const after = await customers.listPaymentInstruments(id);
expect("and listed as not active", after, [{ ...created.data, active: false }]);

const stranger = new SumUp({ apiKey: "sup_sk_wrong", host }).customers;
const unscoped = new SumUp({ apiKey: SUMUP_KEY_WITHOUT_SCOPE, host }).customers;
const notFound = { error_code: "NOT_FOUND", message: "Resource not found" };
const exists = { error_code: "CUSTOMER_ALREADY_EXISTS", message: "Customer already exists" };
const unknown = { error_message: "invalid access token", error_code: "NOT_AUTHORIZED" };
const forbidden = { error_message: "request_not_allowed", error_code: "FORBIDDEN", status_code: "403" };
for (const [what, call, status, body] of [
  ["a customer of that id again", () => customers.create({ customer_id: id }), 409, exists],
  ["an unknown customer", () => customers.get("nobody"), 404, notFound],
  ["a second deactivation", () => customers.deactivatePaymentInstrument(id, listed[0].token), 404, notFound],
  ["an unknown key", () => stranger.get(id), 401, unknown],
  ["a key without the scope", () => unscoped.get(id), 403, forbidden],
]) {
  const error = await rejected(call);
  expect(`${what}: ${status}`, error instanceof APIError && error.status, status);
  expect(`${what}: the page's body`, error.error, body);
}
