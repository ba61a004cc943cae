/**
 * Opens and seals envelopes of format 1 with Node and `@hpke`.
 *
 * Written from the text of the design's section 4, sharing no line with the vault nor with the Go
 * program beside it, so that the three agree only if the text is enough. Reads one JSON job from
 * stdin, writes one JSON answer to stdout; bytes are lower-case hex. Whatever goes wrong has one
 * answer: a caller who could tell a wrong key from wrong padding would hold an oracle.
 */
import { readFileSync } from "node:fs";
import { refuse } from "./format.mjs";
import { open } from "./opener.mjs";
import { seal } from "./sealer.mjs";
import { openStream } from "./stream.mjs";

/** Bytes of hex, each in memory of its own: a Buffer's would be a slice of a shared pool. */
function bytes(hex) {
  const out = Uint8Array.from(Buffer.from(hex, "hex")); // which stops at the first bad digit,
  return 2 * out.length === hex.length ? out : refuse(); // so the length tells
}

/** The same object with some members turned from hex into bytes. */
function decode(object, names) {
  const raw = names.filter((name) => object[name] !== undefined).map((name) => [name, bytes(object[name])]);
  return { ...object, ...Object.fromEntries(raw) };
}

async function answer(input) {
  const job = decode(JSON.parse(input), ["seed", "vault_id", "epoch_id", "stanza", "envelope", "public_key"]);
  if (job.op === "open") return open(job);
  if (job.op === "open-stream") {
    return openStream({ ...job, stream: decode(job.stream, ["epoch_id", "salt"]), chunks: job.chunks.map(bytes) });
  }
  if (job.op !== "seal") return refuse();
  if (job.public_keys) job.public_keys = decode(job.public_keys, Object.keys(job.public_keys));
  const fields = Object.entries(job.fields).map(([number, field]) => [number, decode(field, ["plaintext"])]);
  return seal({ ...job, fields: Object.fromEntries(fields) });
}

try {
  console.log(JSON.stringify(await answer(readFileSync(0, "utf8"))));
} catch {
  console.log(JSON.stringify({ error: "refused" }));
  process.exitCode = 1;
}
