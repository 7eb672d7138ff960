// A client that was generated of SumUp's document when that could still create instruments: npm `sumup-rest-api`.

import { createRequire } from "node:module";
import { promisify } from "node:util";
import { expect, rejected } from "./expect.mjs";

// It is published as it was written, as ES modules that Node takes for CommonJS.
const require = createRequire(import.meta.url);
require("@babel/register")({
  babelrc: false,
  plugins: [require.resolve("@babel/plugin-transform-modules-commonjs")],
  only: [/node_modules\/sumup-rest-api\//],
  cache: false,
});
const { ApiClient, CustomersApi, PaymentInstrumentResponse } = require("sumup-rest-api");

const { URL, ID, SUMUP_KEY, VISA } = process.env;
const id = `rest-${ID}`;
ApiClient.instance.basePath = `${URL}/sumup/v0.1`;
ApiClient.instance.authentications.accessToken.accessToken = SUMUP_KEY;
const api = new CustomersApi();
const call = (name, ...given) => promisify(api[name].bind(api))(...given);

const body = { customer_id: id, personal_details: { first_name: "Ada", last_name: "Byron" } };
const made = await call("customersPost", { body });
expect("a customer is created", [made.customerId, made.personalDetails.firstName], [id, "Ada"]);
expect("and found", await call("customersCustomerIdGet", id), made);
const update = { personal_details: { address: { line1: "1 Mill Lane", country: "GB" } } };
const put = (await call("customersCustomerIdPut", id, { body: update })).personalDetails;
expect("an update adds to it", [put.firstName, put.address.line1, put.address.country], ["Ada", "1 Mill Lane", "GB"]);

const card = { name: "Ada Byron", number: VISA, expiry_year: "2030", expiry_month: "04", cvv: "123" };
const create = (changed = {}) =>
  call("customersCustomerIdPaymentInstrumentsPost", id, { body: { type: "card", card: { ...card, ...changed } } });
const instrument = await create();
expect("an instrument is created", instrument instanceof PaymentInstrumentResponse);
expect("active", [instrument.active, instrument.type, instrument.token.length], [true, "card", 36]);
const { last4Digits, type } = instrument.card;
expect("with network and last four", [last4Digits, type], ["1111", "VISA"]);
expect("now", Math.abs(Date.now() - instrument.createdAt) < 60_000);
const [listed] = await call("customersCustomerIdPaymentInstrumentsGet", id);
expect("and listed", listed, instrument);
expect("it is deactivated", await call("customersCustomerIdPaymentInstrumentsTokenDelete", id, listed.token), null);
const [after] = await call("customersCustomerIdPaymentInstrumentsGet", id);
expect("and listed as not active", after.active, false);

const invalid = (param) => ({ message: "Validation error", error_code: "INVALID", param });
for (const [what, changed, param] of [
  ["a wrong check digit", { number: "4111111111111112" }, "card.number"],
  ["a year that has passed", { expiry_year: "2020" }, "card.expiry_year"],
  ["a month that there is not", { expiry_month: "13" }, "card.expiry_month"],
  ["a cvv of two digits", { cvv: "12" }, "card.cvv"],
]) {
  const error = await rejected(() => create(changed));
  expect(`${what}: 400, and where`, [error?.status, error?.response.body], [400, invalid(param)]);
}
for (let place = 0; place < 4; place++) await create();
const full = await rejected(create);
expect("a fifth active one: 409", [full?.status, full?.response.body.error_code], [409, "MAX_INSTRUMENT_COUNT"]);
