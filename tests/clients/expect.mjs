// How the programs of this folder say what they have found: a line each, which `run.py` counts.

import { isDeepStrictEqual } from "node:util";

export function expect(what, found, wanted = true) {
  const holds = isDeepStrictEqual(found, wanted);
  console.log(holds ? `ok     ${what}` : `FAILED ${what}: ${shown(found)}, not ${shown(wanted)}`);
}

// What a call rejects with; undefined where it does not.
export async function rejected(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
}

function shown(value) {
  return JSON.stringify(value) ?? String(value);
}
