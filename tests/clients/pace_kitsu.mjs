// A JSON:API client of npm's for PACE: `kitsu`.

import Kitsu from "kitsu";
import { expect, rejected } from "./expect.mjs";

const { URL, PACE_KEY, PACE_KEY_TO_READ, CARD_TOKEN } = process.env;
const client = (key) => {
  const made = new Kitsu({
    baseURL: `${URL}/pace/pay/2020-4`,
    headers: { Authorization: `Bearer ${key}` },
    pluralize: false,
    resourceCase: "none",
  });
  // It takes the last part of a path for the type. PACE's is another.
  made.camel = () => "paymentMethod";
  return made;
};
const pace = client(PACE_KEY);
const before = (await pace.get("payment-methods")).data.length;

const register = (cardToken) => pace.post("payment-methods/creditcard", { kind: "creditcard", cardToken });
const made = await register(CARD_TOKEN);
expect("a card token is registered", [made.status, made.data.type], [201, "paymentMethod"]);
expect("as a method that can be told", made.data.identificationString, "Visa **** **** **** 1111");
expect("and says where it is", made.headers.location, `${URL}/pace/pay/2020-4/payment-methods/${made.data.id}`);
const again = await register(CARD_TOKEN);
expect("once: 303, which leads to it", [again.status, again.data], [200, made.data]);
const one = await pace.get(`payment-methods/${made.data.id}`);
expect("it is found", one.data, made.data);
const patched = await pace.patch("payment-methods", { id: made.data.id, alias: "Holidays" });
expect("and given an alias", patched.data.alias, "Holidays");
const all = await pace.get("payment-methods");
expect("and listed", [all.data.length, all.data.some((method) => method.alias === "Holidays")], [before + 1, true]);

const forbidden = await rejected(() => client(PACE_KEY_TO_READ).delete("payment-methods", made.data.id));
expect("who may read may not delete", [forbidden?.response.status, forbidden?.errors[0].status], [403, "403"]);
const removed = await pace.delete("payment-methods", made.data.id);
expect("it is deleted", removed.status, 204);
const gone = await rejected(() => pace.get(`payment-methods/${made.data.id}`));
expect("and gone", [gone?.response.status, gone?.errors[0].status], [404, "404"]);
const unusable = await rejected(() => register(CARD_TOKEN));
expect("its token is of no more use", unusable?.errors[0].code, "provider:invalid-content");
const long = await rejected(() => register("x".repeat(256)));
expect("a long one", long?.errors[0].code, "too-long");
const charset = await rejected(() => register("ключ"));
expect("one in other letters", charset?.errors[0].code, "invalid-charset");
