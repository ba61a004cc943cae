/**
 * The opener of streams: the body of a message, chunk by chunk, and nothing of it before the last one
 * is verified.
 */
import { createDecipheriv, createHash } from "node:crypto";
import { LAST_STEP, refuse, streamKey } from "./format.mjs";
import { openStanza, same } from "./opener.mjs";

const CHUNK = 65536, TAG = 16;

/** The SHA-256 of the body: tests compare bodies by it. */
export async function openStream(job) {
  const { stream, chunks } = job;
  checkShape(stream, job.field_number); // (1) before any work
  if (!same(stream.epoch_id, job.epoch_id)) refuse();
  const secret = await openStanza(job); // (2)
  const key = streamKey(
    secret, job.vault_id, job.audience, stream.step, job.record_name, stream.salt, job.field);
  if (chunks.length !== stream.chunks) refuse(); // (3) no chunk too few, none too many
  const body = Buffer.concat(chunks.map((chunk, i) => openChunk(key, chunk, i, i === chunks.length - 1)));
  if (body.length !== stream.length) refuse(); // (4)
  return { body_sha256: createHash("sha256").update(body).digest("hex") };
}

/** The rules that need no key. */
function checkShape({ epoch_id, salt, step, field, chunks, length }, wanted) {
  if (epoch_id.length !== 32 || salt.length !== 32 || step > LAST_STEP || field !== wanted) refuse();
  if (chunks !== Math.max(1, Math.ceil(length / CHUNK))) refuse();
}

/** The place of a chunk and whether it is the last are its nonce. */
function openChunk(key, chunk, i, last) {
  const whole = chunk.length === CHUNK + TAG;
  if (chunk.length < TAG || !(whole || (last && chunk.length < CHUNK + TAG))) refuse();
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(i), 3);
  nonce[11] = last ? 1 : 0;
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG });
  decipher.setAuthTag(chunk.subarray(-TAG));
  return Buffer.concat([decipher.update(chunk.subarray(0, -TAG)), decipher.final()]);
}
